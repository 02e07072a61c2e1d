{{ config(materialized='table') }}

with

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

source_calendars as (
    select * from {{ ref('int_time__source_calendar') }}
),

build as (
    select * from {{ source('build', 'build') }}
),

policies as (
    select * from {{ ref('dim_sla_policy') }}
),

days as (
    select * from {{ ref('calendar_date') }}
),

targets as (
    select
        max(target) filter (where clock = 'first_reply') as reply_hours,
        max(target) filter (where clock = 'resolution') as working_days
    from policies
),

placed as (
    select
        cases.source,
        cases.case_no,
        cases.created_at,
        coalesce(source_calendars.calendar_id, build.calendar_id) as calendar_id,
        coalesce(source_calendars.zone, build.zone) as zone
    from cases
    cross join build
    left join source_calendars
        on cases.source = source_calendars.source
),

started as (
    select
        placed.*,
        {{ local_date('placed.created_at', 'placed.zone') }} as start_on,
        targets.working_days,
        placed.created_at + targets.reply_hours * interval 1 hour as reply_due_at
    from placed
    cross join targets
),

counted as (
    {{ working_day_due('started', 'days') }}
),

final as (
    select
        source,
        case_no,
        calendar_id,
        zone,
        reply_due_at,
        due_on,
        {{ instant_of('cast(due_on + 1 as timestamp)', 'zone') }} as resolution_due_at,
        is_due_provisional
    from counted
)

select * from final
