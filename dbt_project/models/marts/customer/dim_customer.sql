with

customers as (
    select * from {{ ref('stg_crm__customers') }}
),

final as (
    select
        customer_id,
        org_unit_id,
        manager_id,
        segment,
        joined_on,
        left_on,
        joined_on <= {{ business_date() }}
        and (left_on is null or left_on > {{ business_date() }}) as is_active
    from customers
)

select * from final
