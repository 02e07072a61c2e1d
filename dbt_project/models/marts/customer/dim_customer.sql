with

customers as (
    select * from {{ ref('stg_crm__customers') }}
),

matched as (
    select * from {{ ref('int_customer__match') }}
    where source = 'crm'
),

final as (
    select
        customers.customer_id,
        matched.customer_id as master_customer_id,
        customers.org_unit_id,
        customers.manager_id,
        customers.segment,
        customers.joined_on,
        customers.left_on,
        customers.joined_on <= {{ business_date() }}
        and (customers.left_on is null or customers.left_on > {{ business_date() }}) as is_active
    from customers
    inner join matched
        on customers.customer_id = matched.source_no
)

select * from final
