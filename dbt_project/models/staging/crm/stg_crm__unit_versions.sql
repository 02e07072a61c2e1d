with

versions as (
    {{
        row_versions(
            source('crm', 'units'),
            'unit_code',
            ['parent_code', 'unit_name', 'unit_name_en', 'level_no', 'unit_type'],
            zone_of('crm')
        )
    }}
),

final as (
    select
        unit_code as org_unit_id,
        parent_code as parent_id,
        unit_name as name,
        coalesce(unit_name_en, unit_name) as name_en,
        level_no as level,
        unit_type,
        is_removed,
        valid_from,
        valid_to
    from versions
)

select * from final
