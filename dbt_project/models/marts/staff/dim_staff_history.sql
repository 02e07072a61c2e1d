with

versions as (
    select * from {{ ref('stg_crm__staff_versions') }}
),

staff as (
    select * from {{ ref('stg_crm__staff') }}
),

final as (
    select
        versions.staff_id,
        greatest(versions.valid_from, coalesce(staff.joined_on, date '1900-01-01')) as valid_from,
        versions.valid_to,
        versions.org_unit_id,
        versions.position,
        versions.status = 'active' and not versions.is_removed as is_active
    from versions
    left join staff
        on versions.staff_id = staff.staff_id
    -- What was told of somebody before they joined begins with their joining.
    where versions.valid_to > coalesce(staff.joined_on, date '1900-01-01')
)

select * from final
