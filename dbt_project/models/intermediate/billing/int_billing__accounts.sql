{{ config(materialized='table') }}

with

customers as (
    select * from {{ ref('stg_crm__customers') }}
),

bills as (
    select * from {{ ref('fct_bill') }}
),

known as (
    select
        customer_id,
        org_unit_id
    from customers
    where org_unit_id is not null
),

billed as (
    select
        bills.customer_id,
        bills.org_unit_id
    from bills
    anti join known
        on bills.customer_id = known.customer_id
    where bills.customer_id is not null
    qualify
        row_number() over (
            partition by bills.customer_id order by bills.billed_at desc, bills.bill_id desc
        ) = 1
),

final as (
    select * from known
    union all
    select * from billed
)

select * from final
