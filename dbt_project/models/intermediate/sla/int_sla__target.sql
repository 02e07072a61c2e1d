{{ config(materialized='table') }}

with

segments as (
    select * from {{ ref('int_sla__segment') }}
),

settings as (
    select * from {{ ref('int_sla__setting') }}
),

pauses as (
    select * from {{ ref('int_sla__pause') }}
),

pieces as (
    select * from {{ ref('int_time__working_piece') }}
),

changed as (
    select
        segments.reading_id,
        segments.segment_no,
        segments.started_at,
        segments.from_at,
        settings.timeline_no,
        settings.target,
        settings.grace
    from segments
    inner join settings
        on segments.setting_no = settings.setting_no
    where
        segments.segment_no > 1
        and settings.grace is not null
        and settings.target is not null
        and not settings.is_in_days
),

paused as (
    select
        pauses.reading_id,
        pauses.segment_no,
        sum(
            case
                when pauses.to_at <= pauses.segment_from_at then pauses.paused_s
                else 0
            end
        ) as paused_s,
        min(
            case
                when
                    pauses.from_at <= pauses.segment_from_at
                    and pauses.to_at > pauses.segment_from_at
                    then pauses.before_s
            end
        ) as counted_in_pause_s
    from pauses
    group by pauses.reading_id, pauses.segment_no
),

started as (
    select
        changed.*,
        {{ working_position('start_piece', 'changed.started_at') }} as start_s
    from changed
    {{ join_position('pieces', 'start_piece', 'changed.timeline_no', 'changed.started_at') }}
),

positioned as (
    select
        started.*,
        {{ working_position('from_piece', 'started.from_at') }} as from_s
    from started
    {{ join_position('pieces', 'from_piece', 'started.timeline_no', 'started.from_at') }}
),

-- due(c, grace) = due(s, elapsed(s, c) + grace), so the grace becomes a longer target.
final as (
    select
        positioned.reading_id,
        positioned.segment_no,
        cast(
            greatest(
                positioned.target,
                coalesce(
                    paused.counted_in_pause_s,
                    positioned.from_s - positioned.start_s - coalesce(paused.paused_s, 0)
                ) + positioned.grace
            ) as bigint
        ) as target
    from positioned
    left join paused
        on
            positioned.reading_id = paused.reading_id
            and positioned.segment_no = paused.segment_no
)

select * from final
