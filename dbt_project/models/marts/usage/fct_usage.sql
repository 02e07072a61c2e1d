{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_touched_days('cdr', 'usage', day_column='used_on') }}"
) }}

with

usage as (
    select * from {{ ref('stg_cdr__usage') }}
),

latest as (
    {{ latest_on_touched_days('usage', 'usage_id', 'used_on', 'cdr', 'usage') }}
),

final as (
    select
        usage_id,
        customer_id,
        org_unit_id,
        usage_type,
        started_at,
        used_on,
        cast(duration_s as bigint) as duration_s,
        cast(bytes as bigint) as bytes,
        cast(charge as decimal(18, 2)) as charge,
        {{ currency_of('cdr') }} as currency
    from latest
)

select * from final
