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

-- Zones are converted once a date.
zone_days as (
    select
        dates.date_on,
        zones.zone,
        {{ instant_of('cast(dates.date_on as timestamp)', 'zones.zone') }} as from_at,
        {{ instant_of('cast(dates.date_on + 1 as timestamp)', 'zones.zone') }} as to_at
    from (select distinct date_on from days) as dates
    cross join (select distinct zone from timelines) as zones
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
        zone_days.from_at,
        zone_days.to_at,
        timelines.calendar_id,
        timelines.zone,
        timelines.evaluation
    from days
    inner join timelines
        on days.calendar_id = timelines.calendar_id and days.evaluation = timelines.evaluation
    inner join zone_days
        on days.date_on = zone_days.date_on and timelines.zone = zone_days.zone
),

ends as (
    select
        timelines.timeline_no,
        intervals.ends_at,
        intervals.ends_at - interval 1 second as last_at
    from intervals
    inner join timelines
        on
            intervals.calendar_id = timelines.calendar_id
            and intervals.zone = timelines.zone
            and intervals.evaluation = timelines.evaluation
),

closings as (
    select
        ends.timeline_no,
        bounded.date_on,
        max(ends.ends_at) as closes_at
    from {{ as_of_join('ends', 'bounded', ['timeline_no'], 'last_at', 'from_at') }}
    group by ends.timeline_no, bounded.date_on
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
