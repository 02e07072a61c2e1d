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
        left_on,
        name as name_key,
        id_card as id_card_key,
        phone as phone_key
    from customers
)

select * from final
