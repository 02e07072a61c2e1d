with

days as (
    select * from {{ ref('calendar_date') }}
),

calendars as (
    select * from {{ ref('calendar') }}
),

templates as (
    select * from {{ ref('calendar_template') }}
),

source_calendars as (
    select * from {{ ref('int_time__source_calendar') }}
),

build as (
    select * from {{ source('build', 'build') }}
),

used as (
    select
        calendar_id,
        zone
    from source_calendars
    union
    select
        calendar_id,
        zone
    from build
),

working as (
    select
        days.calendar_id,
        days.date_on,
        case
            when days.is_makeup then calendars.makeup_weekday
            else {{ iso_weekday('days.date_on') }}
        end as weekday
    from days
    inner join calendars
        on days.calendar_id = calendars.calendar_id
    where days.is_working
),

local_intervals as (
    select
        working.calendar_id,
        used.zone,
        cast(working.date_on as timestamp)
        + cast(split_part(templates.starts, ':', 1) as integer) * interval 1 hour
        + cast(split_part(templates.starts, ':', 2) as integer) * interval 1 minute as starts_local,
        cast(working.date_on as timestamp)
        + cast(split_part(templates.ends, ':', 1) as integer) * interval 1 hour
        + cast(split_part(templates.ends, ':', 2) as integer) * interval 1 minute as ends_local
    from working
    inner join templates
        on working.calendar_id = templates.calendar_id and working.weekday = templates.weekday
    inner join used
        on working.calendar_id = used.calendar_id
),

intervals as (
    select
        calendar_id,
        zone,
        {{ instant_of('starts_local', 'zone') }} as starts_at,
        {{ instant_of('ends_local', 'zone') }} as ends_at
    from local_intervals
),

measured as (
    select
        *,
        {{ seconds_between('starts_at', 'ends_at') }} as seconds
    from intervals
),

final as (
    select
        calendar_id,
        zone,
        starts_at,
        ends_at,
        seconds,
        cast(
            sum(seconds) over (
                partition by calendar_id, zone order by starts_at
                rows between unbounded preceding and current row
            ) - seconds as bigint
        ) as cumulative_s
    from measured
)

select * from final
