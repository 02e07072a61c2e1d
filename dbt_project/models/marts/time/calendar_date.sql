with

calendars as (
    select * from {{ ref('calendar') }}
),

templates as (
    select * from {{ ref('calendar_template') }}
),

exceptions as (
    select * from {{ ref('calendar_day') }}
),

notices as (
    select * from {{ ref('calendar_notice') }}
),

spine as (
    {{ day_spine(
        first_date(),
        "make_date(cast(year(" ~ local_date(as_of()) ~ ") as integer) + 1, 12, 31)"
    ) }}
),

working_weekdays as (
    select distinct
        calendar_id,
        weekday
    from templates
),

notice_years as (
    select distinct
        calendar_id,
        year
    from notices
),

days as (
    select
        calendars.calendar_id,
        spine.date_on,
        coalesce(exceptions.is_working, working_weekdays.weekday is not null) as is_working,
        coalesce(not exceptions.is_working, false) as is_holiday,
        coalesce(exceptions.is_working, false) as is_makeup,
        exceptions.name as holiday_name,
        calendars.needs_notice and notice_years.year is null as is_provisional
    from calendars
    cross join spine
    left join working_weekdays
        on
            calendars.calendar_id = working_weekdays.calendar_id
            and {{ iso_weekday('spine.date_on') }} = working_weekdays.weekday
    left join exceptions
        on
            calendars.calendar_id = exceptions.calendar_id
            and spine.date_on = exceptions.date_on
    left join notice_years
        on
            calendars.calendar_id = notice_years.calendar_id
            and year(spine.date_on) = notice_years.year
),

final as (
    select
        calendar_id,
        date_on,
        is_working,
        cast(
            sum(cast(is_working as integer)) over (
                partition by calendar_id order by date_on
                rows between unbounded preceding and current row
            ) as bigint
        ) as working_day_no,
        is_holiday,
        is_makeup,
        holiday_name,
        is_provisional
    from days
)

select * from final
