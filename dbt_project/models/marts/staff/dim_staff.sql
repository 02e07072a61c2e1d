with

staff as (
    select * from {{ ref('stg_crm__staff') }}
),

final as (
    select
        staff_id,
        org_unit_id,
        position,
        status = 'active' and (left_on is null or left_on > {{ business_date() }}) as is_active,
        joined_on,
        left_on,
        phone_key,
        name_key
    from staff
)

select * from final
