{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_touched_days('billing', 'bills', day_column='billed_on') }}"
) }}

with

bills as (
    select * from {{ ref('stg_billing__bills') }}
),

latest as (
    {{ latest_on_touched_days('bills', 'bill_id', 'billed_on', 'billing', 'bills') }}
),

final as (
    select
        bill_id,
        customer_id,
        org_unit_id,
        billing_month_on,
        billed_at,
        billed_on,
        due_on,
        cast(amount as decimal(18, 2)) as amount,
        {{ currency_of('billing') }} as currency
    from latest
)

select * from final
