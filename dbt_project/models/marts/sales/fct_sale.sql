{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_touched_rows(
        'hall', 'orders', day_column='sold_on', key_column='sale_id', raw_key='order_line_no'
    ) }}"
) }}

with

orders as (
    select * from {{ ref('stg_hall__orders') }}
),

selected as (
    select orders.*
    from orders
    {% if is_incremental() -%}
    -- A withdrawn batch may bring an older version back on a day that no batch names, so all that
    -- is missing is added, not only the touched days.
    anti join {{ this }} as known
        on orders.sale_id = known.sale_id
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
    from selected
)

select * from final
