{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_cases(ref('int_feedback__case_scope')) }}"
) }}

with

statuses as (
    select * from {{ ref('int_feedback__case_status') }}
),

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

exclusions as (
    select * from {{ ref('int_feedback__case_exclusion') }}
),

assignments as (
    select * from {{ ref('int_feedback__case_assignment') }}
),

readings as (
    select * from {{ ref('int_sla__reading') }}
    where clock = 'resolution' and evaluation = 'as_was'
),

build as (
    select * from {{ source('build', 'build') }}
),

operator_days as (
    select days.*
    from {{ ref('int_time__day') }} as days
    inner join {{ ref('int_time__timeline') }} as timelines
        on days.timeline_no = timelines.timeline_no
    inner join {{ ref('int_time__used_calendar') }} as used
        on timelines.calendar_id = used.calendar_id and timelines.zone = used.zone
    inner join build
        on used.calendar_id = build.calendar_id and used.source_zone = build.zone
    where timelines.evaluation = 'as_was'
),

open_statuses as (
    select
        statuses.*,
        {{ local_date('statuses.valid_from', 'build.zone') }} as from_on,
        least(
            {{ local_date('statuses.valid_to', 'build.zone') }} - 1, build.business_date
        ) as to_on
    from statuses
    cross join build
    where not ({{ is_ended('statuses.status') }})
),

-- Open at the end of a day: the status that held until the day ended.
days_open as (
    select
        open_statuses.case_id,
        open_statuses.status,
        open_statuses.cycle,
        {{ each_day('open_statuses.from_on', 'open_statuses.to_on') }} as date_on
    from open_statuses
),

ended as (
    select
        days_open.*,
        operator_days.to_at as ends_at,
        operator_days.working_day_no
    from days_open
    inner join operator_days
        on days_open.date_on = operator_days.date_on
),

kept as (
    select ended.*
    from ended
    anti join exclusions
        on
            ended.case_id = exclusions.case_id
            and ended.ends_at > exclusions.valid_from
            and (exclusions.valid_to is null or ended.ends_at <= exclusions.valid_to)
),

held as (
    select
        kept.*,
        assignments.holder_kind,
        assignments.holder_unit_id
    from kept
    left join assignments
        on
            kept.case_id = assignments.case_id
            and assignments.valid_from < kept.ends_at
            and (assignments.valid_to is null or assignments.valid_to >= kept.ends_at)
),

started as (
    select
        cases.case_id,
        cases.source,
        cases.case_no,
        cases.org_unit_id,
        cases.kind,
        cases.category_path,
        cases.channel_id,
        cases.created_at,
        {{ local_date('cases.created_at', 'build.zone') }} as created_on
    from cases
    cross join build
),

final as (
    select
        {{ surrogate_key(['held.date_on', 'started.source', 'started.case_no']) }} as backlog_key,
        held.date_on,
        {{ surrogate_key(['started.source', 'started.case_no']) }} as case_key,
        started.source,
        started.case_no,
        held.status,
        held.cycle,
        held.holder_kind,
        held.holder_unit_id,
        started.org_unit_id,
        started.kind,
        case
            when started.category_path is not null
                then {{ surrogate_key(['started.source', 'started.category_path']) }}
        end as category_id,
        started.channel_id,
        held.working_day_no - created_day.working_day_no as age_working_days,
        {{ days_between('started.created_on', 'held.date_on') }} as age_days,
        coalesce(readings.breached_at < held.ends_at, false) as is_overdue
    from held
    -- Nobody could count a case before it was created, whatever was told of it.
    inner join started
        on held.case_id = started.case_id and held.ends_at > started.created_at
    left join operator_days as created_day
        on started.created_on = created_day.date_on
    left join readings
        on held.case_id = readings.case_id and held.cycle = readings.cycle
)

select * from final
