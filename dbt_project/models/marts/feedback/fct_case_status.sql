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

scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

final as (
    select
        {{ surrogate_key(['statuses.ordinal', 'scope.source', 'scope.case_no']) }} as status_key,
        {{ surrogate_key(['scope.source', 'scope.case_no']) }} as case_key,
        scope.source,
        scope.case_no,
        statuses.ordinal,
        statuses.cycle,
        statuses.status,
        statuses.valid_from,
        statuses.valid_to,
        statuses.is_illegal
    from statuses
    inner join scope
        on statuses.case_id = scope.case_id
)

select * from final
