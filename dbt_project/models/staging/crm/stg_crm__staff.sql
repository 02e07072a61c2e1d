with

staff as (
    {{ latest_version(source('crm', 'staff'), ['staff_no']) }}
),

final as (
    select
        staff_no as staff_id,
        unit_code as org_unit_id,
        position,
        status,
        name as name_key,
        phone as phone_key,
        joined_on,
        left_on
    from staff
)

select * from final
