{{ config(materialized='table') }}

with

stops as (
    select * from {{ ref('int_sla__stop') }}
),

pieces as (
    select * from {{ ref('int_time__working_piece') }}
),

day_pieces as (
    select * from {{ ref('int_time__day_piece') }}
),

started as (
    select
        stops.*,
        case when stops.is_in_days then stops.timeline_no end as day_timeline_no,
        {{ working_position('start_piece', 'stops.started_at') }} as start_s
    from stops
    {{ join_position('pieces', 'start_piece', 'stops.timeline_no', 'stops.started_at') }}
),

begun as (
    select
        started.*,
        {{ working_position('from_piece', 'started.from_at') }} as from_s
    from started
    {{ join_position('pieces', 'from_piece', 'started.timeline_no', 'started.from_at') }}
),

positioned as (
    select
        begun.*,
        {{ working_position('to_piece', 'begun.to_at') }} as to_s
    from begun
    {{ join_position('pieces', 'to_piece', 'begun.timeline_no', 'begun.to_at') }}
),

dated as (
    select
        positioned.*,
        case
            when positioned.unit = 'working_days' then start_day.working_day_no
            else start_day.day_no
        end as start_day_no,
        case
            when positioned.unit = 'working_days' then from_day.working_day_no
            else from_day.day_no
        end as from_day_no,
        case
            when positioned.unit = 'working_days' then to_day.working_day_no
            else to_day.day_no
        end as to_day_no,
        from_day.is_working as is_from_working_day,
        from_day.closes_at as from_closes_at
    from positioned
    {{ join_position(
        'day_pieces', 'start_day', 'positioned.day_timeline_no', 'positioned.started_at'
    ) }}
    {{ join_position(
        'day_pieces', 'from_day', 'positioned.day_timeline_no', 'positioned.from_at'
    ) }}
    {{ join_position('day_pieces', 'to_day', 'positioned.day_timeline_no', 'positioned.to_at') }}
),

final as (
    select
        reading_id,
        segment_no,
        setting_no,
        segment_from_at,
        status_ordinal,
        from_at,
        to_at,
        is_open,
        to_s - from_s as paused_s,
        -- What had been counted when the pause began, in the clock's own unit.
        from_s - start_s - coalesce(sum(to_s - from_s) over earlier, 0) as before_s,
        to_day_no - from_day_no as paused_days,
        from_day_no - start_day_no - coalesce(sum(to_day_no - from_day_no) over earlier, 0)
            as before_days,
        is_from_working_day,
        from_closes_at
    from dated
    window
        earlier as (
            partition by reading_id, segment_no order by from_at, status_ordinal
            rows between unbounded preceding and 1 preceding
        )
)

select * from final
