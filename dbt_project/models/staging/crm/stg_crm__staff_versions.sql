with

versions as (
    {{
        row_versions(
            source('crm', 'staff'),
            'staff_no',
            ['unit_code', 'position', 'status'],
            zone_of('crm')
        )
    }}
),

final as (
    select
        staff_no as staff_id,
        unit_code as org_unit_id,
        position,
        status,
        is_removed,
        valid_from,
        valid_to
    from versions
)

select * from final
