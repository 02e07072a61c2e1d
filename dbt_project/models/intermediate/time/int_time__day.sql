{{ config(materialized='table') }}

with

days as (
    select * from {{ ref('calendar_date') }}
),

timelines as (
    select * from {{ ref('int_time__timeline') }}
),

intervals as (
    select * from {{ ref('calendar_interval') }}
),

bounded as (
    select
        timelines.timeline_no,
        days.date_on,
        {{ days_between("date '1970-01-01'", 'days.date_on') }} as day_no,
        days.working_day_no,
        days.is_working,
        days.next_working_on,
        days.is_provisional,
        days.calendar_version,
        {{ instant_of('cast(days.date_on as timestamp)', 'timelines.zone') }} as from_at,
        {{ instant_of('cast(days.date_on + 1 as timestamp)', 'timelines.zone') }} as to_at,
        timelines.calendar_id,
        timelines.zone,
        timelines.evaluation
    from days
    inner join timelines
        on days.calendar_id = timelines.calendar_id and days.evaluation = timelines.evaluation
),

closings as (
    select
        timelines.timeline_no,
        {{ local_date("intervals.ends_at - interval 1 second", 'timelines.zone') }} as date_on,
        max(intervals.ends_at) as closes_at
    from intervals
    inner join timelines
        on
            intervals.calendar_id = timelines.calendar_id
            and intervals.zone = timelines.zone
            and intervals.evaluation = timelines.evaluation
    group by 1, 2
),

final as (
    select
        bounded.timeline_no,
        bounded.date_on,
        bounded.day_no,
        bounded.working_day_no,
        bounded.is_working,
        bounded.next_working_on,
        bounded.is_provisional,
        bounded.calendar_version,
        bounded.from_at,
        bounded.to_at,
        coalesce(closings.closes_at, bounded.to_at) as closes_at
    from bounded
    left join closings
        on
            bounded.timeline_no = closings.timeline_no
            and bounded.date_on = closings.date_on
)

select * from final
