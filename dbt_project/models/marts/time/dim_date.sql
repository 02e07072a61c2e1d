with

days as (
    select * from {{ ref('calendar_date') }}
    where
        calendar_id = {{ operator_calendar() }}
        and evaluation = 'as_is'
        and year(date_on) <= year({{ local_date(as_of()) }}) + 1
),

lunar_months as (
    select * from {{ ref('lunar_month') }}
),

spring_festivals as (
    select
        starts_on as spring_festival_on,
        lunar_year
    from lunar_months
    where lunar_month = 1 and not is_leap
),

in_lunar_months as (
    select *
    from {{ as_of_join('days', 'lunar_months', [], 'date_on', 'starts_on') }}
),

-- The festival of a date is the nearest one; between two, it changes in the middle.
nearest as (
    select
        days.date_on,
        spring_festivals.spring_festival_on
    from days
    inner join spring_festivals
        on
            spring_festivals.spring_festival_on > days.date_on - 250
            and spring_festivals.spring_festival_on < days.date_on + 250
    qualify
        row_number() over (
            partition by days.date_on
            order by
                abs({{ days_between('days.date_on', 'spring_festivals.spring_festival_on') }}),
                spring_festivals.spring_festival_on
        ) = 1
),

final as (
    select
        in_lunar_months.date_on,
        cast(year(in_lunar_months.date_on) as integer) as year,
        cast(quarter(in_lunar_months.date_on) as integer) as quarter,
        cast(month(in_lunar_months.date_on) as integer) as month,
        cast(isoyear(in_lunar_months.date_on) as integer) as iso_year,
        cast(weekofyear(in_lunar_months.date_on) as integer) as iso_week,
        cast({{ iso_weekday('in_lunar_months.date_on') }} as integer) as weekday,
        cast(date_trunc('year', in_lunar_months.date_on) as date) as year_on,
        cast(date_trunc('quarter', in_lunar_months.date_on) as date) as quarter_on,
        cast(date_trunc('month', in_lunar_months.date_on) as date) as month_on,
        cast(date_trunc('week', in_lunar_months.date_on) as date) as week_on,
        in_lunar_months.is_working as is_workday,
        in_lunar_months.working_day_no,
        in_lunar_months.is_holiday,
        in_lunar_months.is_makeup,
        in_lunar_months.holiday_name,
        in_lunar_months.is_provisional,
        in_lunar_months.lunar_year,
        in_lunar_months.lunar_month,
        in_lunar_months.is_leap as is_leap_month,
        cast(
            {{ days_between('in_lunar_months.starts_on', 'in_lunar_months.date_on') }} + 1
            as integer
        ) as lunar_day,
        nearest.spring_festival_on,
        cast(
            {{ days_between('nearest.spring_festival_on', 'in_lunar_months.date_on') }} as integer
        ) as festival_offset_days
    from in_lunar_months
    left join nearest
        on in_lunar_months.date_on = nearest.date_on
)

select * from final
