{{ config(materialized='table') }}

with recursive

calendar_rows as (
    {{ rule_rows('calendar') }}
),

calendars as (
    select *
    from calendar_rows
    qualify row_number() over (partition by calendar_id order by row_order desc) = 1
),

levels as (
    select
        calendar_id,
        0 as level,
        calendar_id as level_id,
        base_calendar_id,
        zone,
        needs_notice,
        makeup_weekday
    from calendars
    union all
    select
        levels.calendar_id,
        levels.level + 1,
        calendars.calendar_id,
        calendars.base_calendar_id,
        levels.zone,
        coalesce(levels.needs_notice, calendars.needs_notice),
        coalesce(levels.makeup_weekday, calendars.makeup_weekday)
    from levels
    inner join calendars
        on levels.base_calendar_id = calendars.calendar_id
    where levels.level < 9
),

final as (
    select
        calendar_id,
        level,
        level_id,
        zone,
        last_value(needs_notice) over chain as needs_notice,
        last_value(makeup_weekday) over chain as makeup_weekday
    from levels
    window chain as (
        partition by calendar_id order by level
        rows between unbounded preceding and unbounded following
    )
)

select * from final
