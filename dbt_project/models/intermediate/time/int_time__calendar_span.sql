{{ config(materialized='table') }}

with

levels as (
    select * from {{ ref('int_rule__calendar_level') }}
),

versions as (
    select * from {{ ref('int_time__day_version') }}
),

weeks as (
    select * from {{ ref('int_time__calendar_week') }}
),

spine as (
    {{ day_spine(first_date(), last_date()) }}
),

working_weekdays as (
    select distinct
        calendar_id,
        valid_from,
        valid_to,
        weekday
    from weeks
),

days as (
    select
        levels.calendar_id,
        coalesce(levels.makeup_weekday, 1) as makeup_weekday,
        spine.date_on,
        {{ iso_weekday('spine.date_on') }} as weekday,
        working_weekdays.weekday is not null as works_by_week
    from levels
    cross join spine
    left join working_weekdays
        on
            levels.calendar_id = working_weekdays.calendar_id
            and {{ iso_weekday('spine.date_on') }} = working_weekdays.weekday
            and spine.date_on >= working_weekdays.valid_from
            and (working_weekdays.valid_to is null or spine.date_on < working_weekdays.valid_to)
    where levels.level = 0
),

first_known as (
    select
        calendar_id,
        date_on,
        min(known_from) as known_from
    from versions
    group by calendar_id, date_on
),

-- As was: each status of a date for the hours of the date in which it was the one known.
as_was as (
    select
        'as_was' as evaluation,
        calendar_id,
        date_on,
        greatest(known_from, cast(date_on as timestamp)) as from_local,
        least(coalesce(known_to, date_on + interval 1 day), date_on + interval 1 day) as to_local,
        known_from
    from versions
    union all
    select
        'as_was',
        days.calendar_id,
        days.date_on,
        cast(days.date_on as timestamp),
        least(
            coalesce(first_known.known_from, days.date_on + interval 1 day),
            days.date_on + interval 1 day
        ),
        null
    from days
    left join first_known
        on days.calendar_id = first_known.calendar_id and days.date_on = first_known.date_on
),

-- As is: the status that counts when all is known.
as_is as (
    select
        'as_is' as evaluation,
        days.calendar_id,
        days.date_on,
        cast(days.date_on as timestamp) as from_local,
        days.date_on + interval 1 day as to_local,
        versions.known_from
    from days
    left join versions
        on
            days.calendar_id = versions.calendar_id
            and days.date_on = versions.date_on
            and versions.known_to is null
),

spans as (
    select * from as_was
    where to_local > from_local
    union all
    select * from as_is
),

final as (
    select
        spans.calendar_id,
        spans.evaluation,
        spans.date_on,
        spans.from_local,
        spans.to_local,
        coalesce(versions.is_working, days.works_by_week) as is_working,
        versions.is_working as is_working_by_notice,
        case
            when versions.has_hours then null
            when versions.is_working then coalesce(versions.like_weekday, days.makeup_weekday)
            when versions.is_working is null and days.works_by_week then days.weekday
        end as hours_weekday,
        coalesce(versions.has_hours, false) as has_hours,
        versions.level_id,
        versions.known_from,
        versions.is_operator,
        versions.name,
        versions.announced_on
    from spans
    inner join days
        on spans.calendar_id = days.calendar_id and spans.date_on = days.date_on
    left join versions
        on
            spans.calendar_id = versions.calendar_id
            and spans.date_on = versions.date_on
            and spans.known_from = versions.known_from
)

select * from final
