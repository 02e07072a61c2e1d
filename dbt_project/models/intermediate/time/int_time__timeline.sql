{{ config(materialized='table') }}

with

intervals as (
    select * from {{ ref('calendar_interval') }}
),

timelines as (
    select distinct
        calendar_id,
        zone,
        evaluation
    from intervals
),

final as (
    select
        cast(
            row_number() over (order by evaluation, calendar_id, zone) as integer
        ) as timeline_no,
        calendar_id,
        zone,
        evaluation
    from timelines
)

select * from final
