with

customers as (
    {{ latest_version(source('crm', 'customers'), ['customer_no']) }}
),

final as (
    select
        customer_no as customer_id,
        unit_code as org_unit_id,
        manager_no as manager_id,
        segment,
        joined_on,
        left_on
    from customers
)

select * from final
