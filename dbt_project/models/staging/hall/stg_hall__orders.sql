with

orders as (
    {{ latest_version(source('hall', 'orders'), ['order_line_no']) }}
),

final as (
    select
        order_line_no as sale_id,
        order_no,
        customer_no as customer_id,
        unit_code as org_unit_id,
        product_code as product_id,
        staff_no as staff_id,
        order_type,
        quantity,
        amount,
        ordered_at as sold_at,
        _business_date as sold_on
    from orders
)

select * from final
