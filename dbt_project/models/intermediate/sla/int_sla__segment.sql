{{ config(materialized='table') }}

with

spans as (
    select * from {{ ref('int_sla__span') }}
),

attributes as (
    select * from {{ ref('int_sla__attribute') }}
),

epochs as (
    select * from {{ ref('int_sla__epoch') }}
),

matches as (
    select * from {{ ref('int_sla__policy_match') }}
),

timed as (
    select
        spans.span_id,
        spans.case_id,
        spans.clock_no,
        spans.cycle > 1 as is_again,
        spans.started_at,
        spans.ended_at,
        spans.stopped_at is null
        and spans.cancelled_at is null
        and spans.cancelled_by is null as is_open,
        epochs.epoch_no
    from {{ as_of_join('spans', 'epochs', [], 'started_at', 'from_at') }}
),

parted as (
    select
        timed.span_id,
        timed.case_id,
        timed.clock_no,
        timed.is_again,
        timed.epoch_no,
        timed.started_at,
        timed.ended_at,
        timed.is_open,
        attributes.combination_no,
        greatest(
            timed.started_at,
            case when attributes.is_first then timed.started_at else attributes.valid_from end
        ) as from_at,
        attributes.is_first and attributes.valid_to is null as is_only
    from timed
    inner join attributes
        on
            timed.case_id = attributes.case_id
            and (
                attributes.is_first
                or attributes.valid_from <= timed.started_at
                or attributes.valid_from < timed.ended_at
            )
            and (attributes.valid_to is null or attributes.valid_to > timed.started_at)
),

judged as (
    select
        parted.span_id,
        parted.case_id,
        parted.started_at,
        parted.ended_at,
        parted.is_open,
        parted.from_at,
        parted.is_only,
        matches.evaluation,
        matches.setting_no
    from parted
    inner join matches
        on
            parted.combination_no = matches.combination_no
            and parted.clock_no = matches.clock_no
            and parted.is_again = matches.is_again
            and (matches.evaluation = 'as_is' or parted.epoch_no = matches.epoch_no)
),

whole as (
    select
        *,
        1 as segment_no,
        true as is_last,
        ended_at as to_at
    from judged
    where is_only
),

changes as (
    select * from judged
    where not is_only
    qualify
        lag(setting_no) over (partition by span_id, evaluation order by from_at)
        is distinct from setting_no
),

several as (
    select
        *,
        row_number() over span_parts as segment_no,
        lead(from_at) over span_parts is null as is_last,
        coalesce(lead(from_at) over span_parts, ended_at) as to_at
    from changes
    window span_parts as (partition by span_id, evaluation order by from_at)
),

joined as (
    select * from whole
    union all
    select * from several
),

-- A reading is one span under one evaluation.
final as (
    select
        span_id * 2 + case when evaluation = 'as_is' then 1 else 0 end as reading_id,
        span_id,
        case_id,
        cast(segment_no as integer) as segment_no,
        is_last,
        setting_no,
        started_at,
        ended_at,
        is_open,
        from_at,
        to_at
    from joined
)

select * from final
