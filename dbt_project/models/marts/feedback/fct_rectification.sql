{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_cases(ref('int_feedback__case_scope')) }}"
) }}

with

readings as (
    select * from {{ ref('int_sla__reading') }}
    where clock = 'rectification' and evaluation = 'as_was'
),

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

final as (
    select
        {{ surrogate_key(['readings.ordinal', 'cases.source', 'cases.case_no']) }}
            as rectification_key,
        {{ surrogate_key(['cases.source', 'cases.case_no']) }} as case_key,
        cases.source,
        cases.case_no,
        readings.ordinal,
        cases.org_unit_id,
        cases.kind,
        case
            when cases.category_path is not null
                then {{ surrogate_key(['cases.source', 'cases.category_path']) }}
        end as category_id,
        readings.started_at as ordered_at,
        {{ local_date('readings.started_at') }} as ordered_on,
        readings.due_at as limit_at,
        readings.stopped_at as verified_at,
        {{ local_date('readings.stopped_at') }} as verified_on,
        readings.state,
        readings.elapsed_s
    from readings
    inner join cases
        on readings.case_id = cases.case_id
    semi join scope
        on readings.case_id = scope.case_id
)

select * from final
