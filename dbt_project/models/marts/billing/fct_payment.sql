{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_touched_days('billing', 'payments', day_column='paid_on') }}",
    post_hook="{{ follow_account_unit(ref('int_billing__accounts')) }}"
) }}

with

payments as (
    select * from {{ ref('stg_billing__payments') }}
),

accounts as (
    select * from {{ ref('int_billing__accounts') }}
),

latest as (
    {{ latest_on_touched_days('payments', 'payment_id', 'paid_on', 'billing', 'payments') }}
),

final as (
    select
        latest.payment_id,
        latest.customer_id,
        accounts.org_unit_id,
        latest.method,
        cast(latest.amount as decimal(18, 2)) as amount,
        {{ currency_of('billing') }} as currency,
        latest.paid_at,
        latest.paid_on
    from latest
    left join accounts
        on latest.customer_id = accounts.customer_id
)

select * from final
