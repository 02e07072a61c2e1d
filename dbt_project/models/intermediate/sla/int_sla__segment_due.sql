{{ config(materialized='table') }}

with

segments as (
    select * from {{ ref('int_sla__segment') }}
),

settings as (
    select * from {{ ref('int_sla__setting') }}
),

targets as (
    select * from {{ ref('int_sla__target') }}
),

paused as (
    select * from {{ ref('int_sla__paused') }}
),

pieces as (
    select * from {{ ref('int_time__working_piece') }}
),

due_pieces as (
    select * from {{ ref('int_time__due_piece') }}
),

day_pieces as (
    select * from {{ ref('int_time__day_piece') }}
),

days as (
    select * from {{ ref('int_time__day') }}
),

joined as (
    select
        segments.reading_id,
        segments.span_id,
        segments.segment_no,
        segments.is_last,
        segments.setting_no,
        segments.started_at,
        segments.ended_at,
        segments.from_at,
        segments.to_at,
        settings.timeline_no,
        settings.is_in_days,
        settings.unit,
        settings.ends,
        settings.rolls,
        coalesce(targets.target, settings.target) as target,
        coalesce(paused.paused_s, 0) as paused_s,
        coalesce(paused.paused_before_due_s, 0) as paused_before_due_s,
        coalesce(paused.paused_before_due_days, 0) as paused_before_due_days,
        coalesce(paused.is_open_before_due, false) as is_open_before_due,
        coalesce(paused.is_open, false) as is_paused
    from segments
    inner join settings
        on segments.setting_no = settings.setting_no
    left join targets
        on
            segments.reading_id = targets.reading_id
            and segments.segment_no = targets.segment_no
    left join paused
        on
            segments.reading_id = paused.reading_id
            and segments.segment_no = paused.segment_no
),

started as (
    select
        joined.*,
        {{ working_position('start_piece', 'joined.started_at') }} as start_s
    from joined
    {{ join_position('pieces', 'start_piece', 'joined.timeline_no', 'joined.started_at') }}
),

positioned as (
    select
        started.*,
        {{ working_position('end_piece', 'started.ended_at') }} as end_s,
        case
            when not started.is_in_days and not started.is_open_before_due
                then started.start_s + started.target + started.paused_before_due_s
        end as due_s
    from started
    {{ join_position('pieces', 'end_piece', 'started.timeline_no', 'started.ended_at') }}
),

in_seconds as (
    select
        positioned.*,
        {{ working_instant('due_piece', 'positioned.due_s') }} as due_at
    from positioned
    {{ join_instant('due_pieces', 'due_piece', 'positioned.timeline_no', 'positioned.due_s') }}
    where not positioned.is_in_days
),

counted as (
    select
        positioned.* exclude (due_s),
        case
            when positioned.is_open_before_due then null
            when positioned.unit = 'working_days' then start_day.working_day_no
            else start_day.day_no
        end + positioned.target + positioned.paused_before_due_days as due_day_no
    from positioned
    {{ join_position(
        'day_pieces', 'start_day', 'positioned.timeline_no', 'positioned.started_at'
    ) }}
    where positioned.is_in_days
),

keyed as (
    select
        * exclude (due_day_no),
        case when unit = 'working_days' then due_day_no end as working_day_no,
        case when unit = 'calendar_days' then due_day_no end as calendar_day_no
    from counted
),

working_days as (
    select * from days
    where is_working
),

last_days as (
    select
        keyed.* exclude (working_day_no, calendar_day_no),
        case
            when keyed.unit = 'working_days' then working_days.date_on
            when keyed.rolls and not days.is_working then days.next_working_on
            else days.date_on
        end as last_on
    from keyed
    left join working_days
        on
            keyed.timeline_no = working_days.timeline_no
            and keyed.working_day_no = working_days.working_day_no
    left join days
        on
            keyed.timeline_no = days.timeline_no
            and keyed.calendar_day_no = days.day_no
),

in_days as (
    select
        last_days.* exclude (last_on),
        cast(null as bigint) as due_s,
        case when last_days.ends = 'business' then days.closes_at else days.to_at end as due_at
    from last_days
    left join days
        on
            last_days.timeline_no = days.timeline_no
            and last_days.last_on = days.date_on
),

united as (
    select * from in_seconds
    union all by name
    select * from in_days
),

final as (
    select
        reading_id,
        span_id,
        segment_no,
        is_last,
        setting_no,
        started_at,
        ended_at,
        from_at,
        to_at,
        target,
        start_s,
        end_s,
        end_s - start_s - paused_s as elapsed_s,
        paused_s,
        is_paused,
        is_open_before_due,
        due_at,
        target is not null and due_at is null and not is_open_before_due as is_due_unreached
    from united
)

select * from final
