with

spans as (
    select * from {{ ref('int_time__calendar_span') }}
),

weeks as (
    select * from {{ ref('int_time__calendar_week') }}
),

day_rows as (
    select
        *,
        {{ announced_at('announced') }} as known_from
    from {{ ref('int_rule__calendar_day') }}
    where starts is not null
),

used as (
    select distinct
        calendar_id,
        zone
    from {{ ref('int_time__used_calendar') }}
),

hours as (
    select
        spans.calendar_id,
        spans.evaluation,
        spans.date_on,
        spans.from_local,
        spans.to_local,
        weeks.starts,
        weeks.ends
    from spans
    inner join weeks
        on
            spans.calendar_id = weeks.calendar_id
            and spans.hours_weekday = weeks.weekday
            and spans.date_on >= weeks.valid_from
            and (weeks.valid_to is null or spans.date_on < weeks.valid_to)
    union all
    select
        spans.calendar_id,
        spans.evaluation,
        spans.date_on,
        spans.from_local,
        spans.to_local,
        day_rows.starts,
        day_rows.ends
    from spans
    inner join day_rows
        on
            spans.level_id = day_rows.calendar_id
            and spans.date_on = day_rows.date_on
            and spans.known_from = day_rows.known_from
            and spans.is_operator = day_rows.is_operator
    where spans.has_hours
),

-- Zones are converted once a date, which is most of the cost of this model. `is_turned`: the clock
-- is set, forward or back, within three hours of the date.
zone_days as (
    select
        dates.date_on,
        zones.zone,
        {{ instant_of('cast(dates.date_on as timestamp)', 'zones.zone') }} as midnight_at,
        {{ seconds_between(
            instant_of("dates.date_on - interval 3 hour", 'zones.zone'),
            instant_of("dates.date_on + interval 27 hour", 'zones.zone')
        ) }} <> 108000 as is_turned
    from (select distinct date_on from spans) as dates
    cross join (select distinct zone from used) as zones
),

local_intervals as (
    select
        hours.calendar_id,
        hours.evaluation,
        used.zone,
        hours.date_on,
        greatest(
            cast(hours.date_on as timestamp) + ({{ time_of_day('hours.starts') }}),
            hours.from_local
        ) as starts_local,
        least(
            cast(hours.date_on as timestamp) + ({{ time_of_day('hours.ends') }}),
            hours.to_local
        ) as ends_local,
        zone_days.midnight_at,
        zone_days.is_turned
    from hours
    inner join used
        on hours.calendar_id = used.calendar_id
    inner join zone_days
        on hours.date_on = zone_days.date_on and used.zone = zone_days.zone
),

steady as (
    select
        calendar_id,
        evaluation,
        zone,
        midnight_at + (starts_local - cast(date_on as timestamp)) as starts_at,
        midnight_at + (ends_local - cast(date_on as timestamp)) as ends_at
    from local_intervals
    where ends_local > starts_local and not is_turned
),

-- Most intervals of such a date are hours away from the turn, and need no look at their minutes.
-- Without the case the engine may ask this of all rows.
near_turns as (
    select
        *,
        case
            when is_turned
                then {{ seconds_between(
                    instant_of('starts_local - interval 3 hour', 'zone'),
                    instant_of('ends_local + interval 3 hour', 'zone')
                ) }} <> {{ seconds_between('starts_local', 'ends_local') }} + 21600
        end as is_cut
    from local_intervals
    where ends_local > starts_local and is_turned
),

-- Where the clock is set, what it shows decides minute by minute: an hour that it skips holds
-- nothing, an hour that it repeats counts twice.
minutes as (
    select
        calendar_id,
        evaluation,
        zone,
        starts_local,
        ends_local,
        {{ each_minute(
            instant_of('starts_local', 'zone') ~ ' - interval 3 hour',
            instant_of('ends_local', 'zone') ~ ' + interval 3 hour'
        ) }} as minute_at
    from near_turns
    where is_cut
),

runs as (
    select
        *,
        minute_at - row_number() over (
            partition by calendar_id, evaluation, zone, starts_local order by minute_at
        ) * interval 1 minute as run
    from minutes
    where
        {{ local_time('minute_at', 'zone') }} >= starts_local
        and {{ local_time('minute_at', 'zone') }} < ends_local
),

placed as (
    select * from steady
    union all
    select
        calendar_id,
        evaluation,
        zone,
        {{ instant_of('starts_local', 'zone') }} as starts_at,
        {{ instant_of('ends_local', 'zone') }} as ends_at
    from near_turns
    where not is_cut
    union all
    select
        calendar_id,
        evaluation,
        zone,
        min(minute_at),
        max(minute_at) + interval 1 minute
    from runs
    group by calendar_id, evaluation, zone, starts_local, run
),

measured as (
    select
        *,
        {{ seconds_between('starts_at', 'ends_at') }} as seconds
    from placed
),

final as (
    select
        calendar_id,
        zone,
        evaluation,
        starts_at,
        ends_at,
        seconds,
        cast(
            sum(seconds) over (
                partition by calendar_id, zone, evaluation order by starts_at
                rows between unbounded preceding and current row
            ) - seconds as bigint
        ) as cumulative_s
    from measured
)

select * from final
