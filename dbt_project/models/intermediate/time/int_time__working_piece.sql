{{ config(materialized='table') }}

with

intervals as (
    select * from {{ ref('calendar_interval') }}
),

timelines as (
    select * from {{ ref('int_time__timeline') }}
),

followed as (
    select
        timelines.timeline_no,
        intervals.starts_at as from_at,
        coalesce(
            lead(intervals.starts_at) over (
                partition by timelines.timeline_no order by intervals.starts_at
            ),
            intervals.ends_at + interval 1 day
        ) as to_at,
        intervals.cumulative_s as base_s,
        intervals.seconds
    from intervals
    inner join timelines
        on
            intervals.calendar_id = timelines.calendar_id
            and intervals.zone = timelines.zone
            and intervals.evaluation = timelines.evaluation
),

-- What lies before the first interval has worked no second yet.
before_first as (
    select
        timeline_no,
        min(from_at) - interval 30 day as from_at,
        min(from_at) as to_at,
        cast(0 as bigint) as base_s,
        cast(0 as bigint) as seconds
    from followed
    group by timeline_no
),

pieces as (
    select * from followed
    union all
    select * from before_first
),

final as (
    select
        timeline_no,
        {{ each_day('cast(from_at as date)', "cast(to_at - interval 1 second as date)") }}
            as bucket_on,
        from_at,
        to_at,
        base_s,
        seconds
    from pieces
)

select * from final
