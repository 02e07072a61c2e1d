{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_touched_days('call_centre', 'calls', day_column='started_on') }}"
) }}

with

calls as (
    select * from {{ ref('stg_call_centre__calls') }}
),

latest as (
    {{ latest_on_touched_days('calls', 'call_id', 'started_on', 'call_centre', 'calls') }}
),

final as (
    select
        call_id,
        call_no,
        source_branch,
        org_unit_id,
        agent_id,
        caller_key,
        case_no,
        case when case_no is not null then {{ surrogate_key(["'hotline'", 'case_no']) }} end
            as case_key,
        queue,
        outcome,
        outcome = 'answered' as is_answered,
        cast(waited_s as bigint) as waited_s,
        cast(talked_s as bigint) as talked_s,
        score,
        started_at,
        started_on
    from latest
)

select * from final
