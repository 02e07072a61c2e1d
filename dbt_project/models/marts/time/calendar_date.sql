with

levels as (
    select * from {{ ref('int_rule__calendar_level') }}
),

spans as (
    select * from {{ ref('int_time__calendar_span') }}
),

notices as (
    select
        levels.calendar_id,
        notices.year,
        notices.announced is not null as is_announced,
        {{ announced_at('notices.announced') }} as known_from
    from {{ ref('int_rule__calendar_notice') }} as notices
    inner join levels
        on notices.calendar_id = levels.level_id
    where {{ announced_at('notices.announced') }} <= {{ known_until() }}
),

-- The status of a date is the one it has at its end.
days as (
    select *
    from spans
    where to_local = date_on + interval 1 day
),

noticed as (
    select
        days.calendar_id,
        days.evaluation,
        days.date_on,
        cast(max(notices.known_from) filter (where notices.is_announced) as date) as noticed_on
    from days
    inner join notices
        on days.calendar_id = notices.calendar_id and year(days.date_on) = notices.year
    where days.evaluation = 'as_is' or notices.known_from < days.to_local
    group by days.calendar_id, days.evaluation, days.date_on
),

final as (
    select
        days.calendar_id,
        days.evaluation,
        days.date_on,
        days.is_working,
        cast(
            sum(cast(days.is_working as integer)) over (
                partition by days.calendar_id, days.evaluation order by days.date_on
                rows between unbounded preceding and current row
            ) as bigint
        ) as working_day_no,
        max(case when days.is_working then days.date_on end) over (
            partition by days.calendar_id, days.evaluation order by days.date_on
            rows between unbounded preceding and 1 preceding
        ) as previous_working_on,
        min(case when days.is_working then days.date_on end) over (
            partition by days.calendar_id, days.evaluation order by days.date_on
            rows between 1 following and unbounded following
        ) as next_working_on,
        coalesce(not days.is_working_by_notice, false) as is_holiday,
        coalesce(days.is_working_by_notice, false) as is_makeup,
        case when days.is_working_by_notice is not null then days.name end as holiday_name,
        coalesce(levels.needs_notice, false) and noticed.date_on is null as is_provisional,
        greatest(days.announced_on, noticed.noticed_on) as calendar_version
    from days
    inner join levels
        on days.calendar_id = levels.calendar_id and levels.level = 0
    left join noticed
        on
            days.calendar_id = noticed.calendar_id
            and days.evaluation = noticed.evaluation
            and days.date_on = noticed.date_on
)

select * from final
