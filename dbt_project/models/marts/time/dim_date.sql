with

days as (
    select * from {{ ref('calendar_date') }}
),

final as (
    select
        date_on,
        cast(year(date_on) as integer) as year,
        cast(quarter(date_on) as integer) as quarter,
        cast(month(date_on) as integer) as month,
        cast(isoyear(date_on) as integer) as iso_year,
        cast(weekofyear(date_on) as integer) as iso_week,
        cast({{ iso_weekday('date_on') }} as integer) as weekday,
        cast(date_trunc('year', date_on) as date) as year_on,
        cast(date_trunc('quarter', date_on) as date) as quarter_on,
        cast(date_trunc('month', date_on) as date) as month_on,
        cast(date_trunc('week', date_on) as date) as week_on,
        is_working as is_workday,
        working_day_no,
        is_holiday,
        is_makeup,
        holiday_name,
        is_provisional
    from days
    where
        calendar_id = {{ operator_calendar() }}
        and evaluation = 'as_is'
        and year(date_on) <= year({{ local_date(as_of()) }}) + 1
)

select * from final
