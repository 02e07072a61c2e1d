{{ config(materialized='table') }}

with

levels as (
    select * from {{ ref('int_rule__calendar_level') }}
),

templates as (
    select
        *,
        coalesce(valid_from, date '1900-01-01') as starts_on
    from {{ ref('int_rule__calendar_template') }}
),

versions as (
    select distinct
        levels.calendar_id,
        levels.level,
        levels.level_id,
        templates.starts_on
    from levels
    inner join templates
        on levels.level_id = templates.calendar_id
),

-- A version counts until a later one of its own level, or any of a nearer level, begins.
bounded as (
    select
        *,
        min(starts_on) over (
            partition by calendar_id order by level, starts_on desc
            rows between unbounded preceding and 1 preceding
        ) as ends_on
    from versions
),

final as (
    select
        bounded.calendar_id,
        bounded.starts_on as valid_from,
        bounded.ends_on as valid_to,
        templates.weekday,
        templates.starts,
        templates.ends
    from bounded
    inner join templates
        on
            bounded.level_id = templates.calendar_id
            and bounded.starts_on = templates.starts_on
    where
        templates.starts is not null
        and (bounded.ends_on is null or bounded.ends_on > bounded.starts_on)
)

select * from final
