with

units as (
    select * from {{ ref('int_org__units') }}
),

ancestry as (
    select * from {{ ref('int_org__ancestry') }}
),

levels as (
    select * from {{ ref('org_level') }}
),

paths as (
    select
        ancestry.descendant_id as org_unit_id,
        {%- for level in range(1, 9) %}
        max(case when ancestors.level = {{ level }} then ancestors.org_unit_id end)
            as l{{ level }}_id,
        max(case when ancestors.level = {{ level }} then ancestors.name end) as l{{ level }}_name,
        max(case when ancestors.level = {{ level }} then ancestors.name_en end)
            as l{{ level }}_name_en,
        {%- endfor %}
        string_agg(ancestors.name, '/' order by ancestry.depth desc) as path
    from ancestry
    inner join units as ancestors
        on ancestry.ancestor_id = ancestors.org_unit_id
    group by ancestry.descendant_id
),

final as (
    select
        units.org_unit_id,
        units.code,
        units.name,
        units.name_en,
        units.level,
        levels.name as level_name,
        units.unit_type,
        units.parent_id,
        {%- for level in range(1, 9) %}
        paths.l{{ level }}_id,
        {%- endfor %}
        {%- for level in range(1, 9) %}
        paths.l{{ level }}_name,
        {%- endfor %}
        {%- for level in range(1, 9) %}
        paths.l{{ level }}_name_en,
        {%- endfor %}
        paths.path,
        units.closed_on is null or units.closed_on > {{ business_date() }} as is_active
    from units
    inner join paths
        on units.org_unit_id = paths.org_unit_id
    left join levels
        on units.level = levels.level
)

select * from final
