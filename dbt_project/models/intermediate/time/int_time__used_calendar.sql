with

source_calendars as (
    select * from {{ ref('int_time__source_calendar') }}
),

levels as (
    select * from {{ ref('int_rule__calendar_level') }}
),

policies as (
    {{ rule_rows('sla_policy') }}
),

build as (
    select * from {{ source('build', 'build') }}
),

asked as (
    select
        calendar_id,
        source_zone
    from source_calendars
    union
    select
        calendar_id,
        zone
    from build
),

by_policy as (
    select
        policies.calendar_id,
        asked.source_zone
    from policies
    cross join asked
    where policies.calendar_id is not null
),

every as (
    select * from asked
    union
    select * from by_policy
),

final as (
    select
        every.calendar_id,
        every.source_zone,
        coalesce(levels.zone, every.source_zone) as zone
    from every
    inner join levels
        on every.calendar_id = levels.calendar_id
    where levels.level = 0
)

select * from final
