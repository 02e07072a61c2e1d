with

units as (
    {{ latest_version(source('crm', 'units'), ['unit_code']) }}
),

final as (
    select
        unit_code as org_unit_id,
        parent_code as parent_id,
        unit_name as name,
        coalesce(unit_name_en, unit_name) as name_en,
        level_no as level,
        unit_type,
        opened_on,
        closed_on
    from units
)

select * from final
