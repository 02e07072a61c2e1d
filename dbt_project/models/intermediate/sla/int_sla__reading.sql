{{ config(materialized='table') }}

with

segments as (
    select * from {{ ref('int_sla__segment_due') }}
),

spans as (
    select * from {{ ref('int_sla__span') }}
),

settings as (
    select * from {{ ref('int_sla__setting') }}
),

limited as (
    select
        segments.reading_id,
        segments.span_id,
        segments.segment_no,
        segments.is_last,
        segments.setting_no,
        segments.from_at,
        segments.to_at,
        segments.target,
        segments.start_s,
        segments.end_s,
        segments.elapsed_s,
        segments.paused_s,
        segments.is_paused,
        segments.is_due_unreached,
        coalesce(segments.due_at, case when segments.target is null then spans.limit_at end)
            as due_at,
        spans.case_id,
        spans.clock,
        spans.ordinal,
        spans.cycle,
        settings.evaluation,
        spans.started_at,
        spans.ended_at,
        spans.stopped_at,
        spans.stopped_precision,
        spans.cancelled_at,
        spans.cancelled_by,
        spans.stopped_at is null and spans.cancelled_at is null and spans.cancelled_by is null
            as is_open,
        coalesce(spans.cancelled_by in ('spam', 'merged', 'unknown'), false) as is_left_out,
        settings.target_kind = 'each' as is_judged_each
    from segments
    inner join spans
        on segments.span_id = spans.span_id
    inner join settings
        on segments.setting_no = settings.setting_no
),

judged as (
    select
        *,
        coalesce(
            is_judged_each and not is_left_out and case
                -- What was late under a target before it changed stays late.
                when not is_last then due_at < to_at
                when stopped_at is not null
                    then
                    stopped_at > due_at
                    -- What is known to the day lies on that day, not at its first instant.
                    or (stopped_at = due_at and stopped_precision = 'day')
                else due_at < ended_at
            end,
            false
        ) as is_breached,
        coalesce(segment_no > 1 and due_at < from_at, false) as is_due_before_change
    from limited
),

single as (
    select * from judged
    where segment_no = 1 and is_last
),

several as (
    select * from judged
    where not (segment_no = 1 and is_last)
    qualify
        row_number() over (
            partition by reading_id
            order by is_breached desc, case when is_breached then segment_no else -segment_no end
        ) = 1
),

chosen as (
    select * from single
    union all
    select * from several
),

final as (
    select
        *,
        -- A target that was already missed when it was set is missed at that moment.
        case
            when is_breached and is_due_before_change then from_at
            when is_breached then due_at
        end as breached_at,
        case
            when is_breached then 'breached'
            when is_left_out then 'cancelled'
            when stopped_at is not null and due_at is not null and is_judged_each then 'met'
            when stopped_at is not null then 'measured'
            when cancelled_by is not null then 'cancelled'
            when is_paused then 'paused'
            else 'running'
        end as state
    from chosen
)

select * from final
