{{ config(materialized='table') }}

with

levels as (
    select * from {{ ref('int_rule__calendar_level') }}
),

rows_known as (
    select
        *,
        {{ announced_at('announced') }} as known_from
    from {{ ref('int_rule__calendar_day') }}
    where {{ announced_at('announced') }} <= {{ known_until() }}
),

announced as (
    select
        calendar_id,
        date_on,
        known_from,
        is_operator,
        -- Of one announcement the working day counts; null, back to the week, says least.
        max(cast(is_working as integer)) as works,
        max(like_weekday) as like_weekday,
        max(announced) is not null as is_announced,
        count(starts) > 0 as has_hours
    from rows_known
    group by calendar_id, date_on, known_from, is_operator
),

named as (
    select
        announced.calendar_id,
        announced.date_on,
        announced.known_from,
        announced.is_operator,
        announced.works = 1 as is_working,
        announced.like_weekday,
        announced.is_announced,
        announced.has_hours,
        max(rows_known.name) as name
    from announced
    inner join rows_known
        on
            announced.calendar_id = rows_known.calendar_id
            and announced.date_on = rows_known.date_on
            and announced.known_from = rows_known.known_from
            and announced.is_operator = rows_known.is_operator
            and announced.works is not distinct from cast(rows_known.is_working as integer)
    group by all
),

-- A version counts until a later one of its own level, or any of a nearer level, is known.
bounded as (
    select
        levels.calendar_id,
        levels.level_id,
        named.* exclude (calendar_id),
        min(named.known_from) over (
            partition by levels.calendar_id, named.date_on
            order by levels.level, named.known_from desc, named.is_operator desc
            rows between unbounded preceding and 1 preceding
        ) as known_to
    from named
    inner join levels
        on named.calendar_id = levels.level_id
),

final as (
    select
        calendar_id,
        date_on,
        known_from,
        known_to,
        level_id,
        is_operator,
        is_working,
        like_weekday,
        has_hours,
        name,
        case when is_announced then cast(known_from as date) end as announced_on
    from bounded
    where known_to is null or known_to > known_from
)

select * from final
