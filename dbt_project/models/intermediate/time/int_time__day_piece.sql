{{ config(materialized='table') }}

with

days as (
    select * from {{ ref('int_time__day') }}
),

final as (
    select
        timeline_no,
        {{ each_day('cast(from_at as date)', "cast(to_at - interval 1 second as date)") }}
            as bucket_on,
        from_at,
        to_at,
        date_on,
        day_no,
        working_day_no,
        is_working,
        closes_at,
        is_provisional,
        calendar_version
    from days
)

select * from final
