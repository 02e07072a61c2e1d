{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_cases(ref('int_feedback__case_scope')) }}"
) }}

with

assignments as (
    select * from {{ ref('int_feedback__case_assignment') }}
),

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

source_calendars as (
    select * from {{ ref('int_time__source_calendar') }}
),

timelines as (
    select * from {{ ref('int_time__timeline') }}
),

pieces as (
    select * from {{ ref('int_time__working_piece') }}
),

build as (
    select * from {{ source('build', 'build') }}
),

placed as (
    select
        assignments.*,
        cases.source,
        cases.case_no,
        cases.org_unit_id,
        cases.kind,
        coalesce(assignments.valid_to, build.as_of) as until_at,
        timelines.timeline_no
    from assignments
    inner join cases
        on assignments.case_id = cases.case_id
    cross join build
    left join source_calendars
        on cases.source = source_calendars.source
    left join timelines
        on
            source_calendars.calendar_id = timelines.calendar_id
            and source_calendars.zone = timelines.zone
            and timelines.evaluation = 'as_was'
),

begun as (
    select
        placed.*,
        {{ working_position('from_piece', 'placed.valid_from') }} as from_s
    from placed
    {{ join_position('pieces', 'from_piece', 'placed.timeline_no', 'placed.valid_from') }}
),

final as (
    select
        {{ surrogate_key(['begun.ordinal', 'begun.source', 'begun.case_no']) }} as assignment_key,
        {{ surrogate_key(['begun.source', 'begun.case_no']) }} as case_key,
        begun.source,
        begun.case_no,
        begun.ordinal,
        begun.cycle,
        begun.holder_kind,
        begun.holder_unit_id,
        begun.holder_id,
        begun.partner_id,
        begun.responsible_unit_id,
        begun.org_unit_id,
        begun.kind,
        begun.valid_from,
        begun.valid_to,
        {{ local_date('begun.valid_from') }} as valid_from_on,
        {{ local_date('begun.valid_to') }} as valid_to_on,
        begun.is_arrival,
        begun.is_misrouted,
        {{ seconds_between('begun.valid_from', 'begun.until_at') }} as held_s,
        {{ working_position('until_piece', 'begun.until_at') }} - begun.from_s as held_working_s
    from begun
    {{ join_position('pieces', 'until_piece', 'begun.timeline_no', 'begun.until_at') }}
)

select * from final
