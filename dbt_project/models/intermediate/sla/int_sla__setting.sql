{{ config(materialized='table') }}

with

policies as (
    select * from {{ ref('int_sla__policy') }}
),

clocks as (
    select * from {{ ref('sla_clock') }}
),

source_calendars as (
    select * from {{ ref('int_time__source_calendar') }}
),

levels as (
    select * from {{ ref('int_rule__calendar_level') }}
),

timelines as (
    select * from {{ ref('int_time__timeline') }}
),

zones as (
    select
        calendar_id,
        nullif(zone, '') as zone
    from levels
    where level = 0
),

-- A clock for which no policy is in force is measured in the calendar of its source.
wanted as (
    select
        policies.policy_key,
        policies.clock,
        policies.calendar_id,
        policies.target,
        policies.unit,
        policies.rolls,
        policies.ends,
        policies.target_kind,
        policies.pause_statuses,
        policies.first_warning,
        policies.grace
    from policies
    union all
    select
        '',
        clocks.clock,
        null,
        null,
        'business_seconds',
        false,
        'midnight',
        'each',
        null,
        null,
        null
    from clocks
),

placed as (
    select
        wanted.*,
        source_calendars.source,
        evaluations.evaluation,
        case
            when wanted.unit = 'calendar_seconds' then 'always'
            else coalesce(wanted.calendar_id, source_calendars.calendar_id)
        end as used_calendar_id,
        source_calendars.source_zone,
        clocks.counted_statuses
    from wanted
    inner join clocks
        on wanted.clock = clocks.clock
    cross join source_calendars
    cross join (
        select 'as_was' as evaluation
        union all
        select 'as_is'
    ) as evaluations
),

final as (
    select
        cast(
            row_number() over (
                order by placed.evaluation, placed.clock, placed.policy_key, placed.source
            ) as integer
        ) as setting_no,
        placed.evaluation,
        placed.source,
        placed.clock,
        nullif(placed.policy_key, '') as policy_key,
        placed.used_calendar_id as calendar_id,
        coalesce(zones.zone, placed.source_zone) as zone,
        timelines.timeline_no,
        placed.target,
        placed.unit,
        placed.unit in ('working_days', 'calendar_days') as is_in_days,
        placed.rolls,
        placed.ends,
        placed.target_kind,
        placed.first_warning,
        placed.grace,
        placed.pause_statuses,
        placed.counted_statuses
    from placed
    left join zones
        on placed.used_calendar_id = zones.calendar_id
    left join timelines
        on
            placed.used_calendar_id = timelines.calendar_id
            and coalesce(zones.zone, placed.source_zone) = timelines.zone
            and placed.evaluation = timelines.evaluation
)

select * from final
