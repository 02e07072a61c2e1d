{{ config(materialized='table') }}

with

intervals as (
    select * from {{ ref('calendar_interval') }}
),

timelines as (
    select * from {{ ref('int_time__timeline') }}
),

final as (
    select
        timelines.timeline_no,
        {{ each_number(
            'intervals.cumulative_s // ' ~ due_bucket_seconds(),
            '(intervals.cumulative_s + intervals.seconds) // ' ~ due_bucket_seconds()
        ) }} as bucket_no,
        intervals.cumulative_s as after_s,
        intervals.seconds,
        intervals.starts_at
    from intervals
    inner join timelines
        on
            intervals.calendar_id = timelines.calendar_id
            and intervals.zone = timelines.zone
            and intervals.evaluation = timelines.evaluation
    where intervals.seconds > 0
)

select * from final
