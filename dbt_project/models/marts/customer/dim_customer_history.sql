with

versions as (
    select * from {{ ref('stg_crm__customer_versions') }}
),

final as (
    select
        customer_id,
        valid_from,
        valid_to,
        org_unit_id,
        manager_id,
        segment,
        is_removed
    from versions
)

select * from final
