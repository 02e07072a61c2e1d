{{ config(materialized='table') }}

with

customers as (
    select * from {{ ref('stg_crm__customers') }}
),

accounts as (
    select * from {{ ref('stg_billing__accounts') }}
),

buyers as (
    select * from {{ ref('stg_hall__buyers') }}
),

records as (
    select
        1 as place,
        'crm' as source,
        customer_id as source_no,
        customer_id as told_no,
        name_key,
        id_card_key,
        phone_key
    from customers
    union all
    select 2, 'billing', account_id, customer_id, name_key, id_card_key, phone_key
    from accounts
    union all
    select 3, 'hall', buyer_id, customer_id, name_key, id_card_key, phone_key
    from buyers
),

final as (
    select
        row_number() over (
            order by records.place, length(records.source_no), records.source_no
        ) as record_no,
        records.source,
        records.source_no,
        records.told_no,
        customers.customer_id as known_no,
        records.name_key,
        records.id_card_key,
        records.phone_key
    from records
    left join customers
        on records.told_no = customers.customer_id
)

select * from final
