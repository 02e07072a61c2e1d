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

final as (
    select
        {{ surrogate_key(['statuses.ordinal', 'cases.source', 'cases.case_no']) }} as status_key,
        {{ surrogate_key(['cases.source', 'cases.case_no']) }} as case_key,
        cases.source,
        cases.case_no,
        statuses.ordinal,
        statuses.cycle,
        statuses.status,
        statuses.valid_from,
        statuses.valid_to,
        statuses.is_illegal
    from statuses
    -- What is told of a case that was never created is no history of a case.
    inner join cases
        on statuses.case_id = cases.case_id
)

select * from final
