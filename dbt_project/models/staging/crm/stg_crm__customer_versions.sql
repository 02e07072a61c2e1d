with

versions as (
    {{
        row_versions(
            source('crm', 'customers'),
            'customer_no',
            ['unit_code', 'manager_no', 'segment'],
            zone_of('crm')
        )
    }}
),

final as (
    select
        customer_no as customer_id,
        unit_code as org_unit_id,
        manager_no as manager_id,
        segment,
        is_removed,
        valid_from,
        valid_to
    from versions
)

select * from final
