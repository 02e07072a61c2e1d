{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_touched_days('hall', 'orders', day_column='sold_on') }}"
) }}

with

orders as (
    select * from {{ ref('stg_hall__orders') }}
    {% if is_incremental() -%}
    where sold_on in ({{ touched_days('hall', 'orders') }})
    {%- endif %}
),

final as (
    select
        sale_id,
        order_no,
        customer_id,
        org_unit_id,
        product_id,
        staff_id,
        order_type,
        cast(quantity as integer) as quantity,
        cast(amount as decimal(18, 2)) as amount,
        {{ currency_of('hall') }} as currency,
        sold_at,
        sold_on
    from orders
)

select * from final
