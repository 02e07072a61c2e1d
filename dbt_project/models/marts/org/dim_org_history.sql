with

versions as (
    select * from {{ ref('int_org__unit_versions') }}
),

ancestry as (
    select * from {{ ref('int_org__ancestry_versions') }}
),

units as (
    select * from {{ ref('int_org__units') }}
),

levels as (
    select * from {{ ref('org_level') }}
),

places as (
    select
        descendant_id as org_unit_id,
        valid_from,
        valid_to,
        max(case when is_parent then ancestor_id end) as parent_id,
        {%- for level in range(1, 9) %}
        max(case when level = {{ level }} then ancestor_id end) as l{{ level }}_id,
        max(case when level = {{ level }} then name end) as l{{ level }}_name,
        max(case when level = {{ level }} then name_en end) as l{{ level }}_name_en,
        {%- endfor %}
        string_agg(name, '/' order by depth desc) as path
    from ancestry
    group by descendant_id, valid_from, valid_to
),

final as (
    select
        places.org_unit_id,
        greatest(places.valid_from, coalesce(units.opened_on, date '1900-01-01')) as valid_from,
        places.valid_to,
        coalesce(units.code, places.org_unit_id) as code,
        versions.name,
        versions.name_en,
        versions.level,
        levels.name as level_name,
        versions.unit_type,
        places.parent_id,
        {%- for level in range(1, 9) %}
        places.l{{ level }}_id,
        {%- endfor %}
        {%- for level in range(1, 9) %}
        places.l{{ level }}_name,
        {%- endfor %}
        {%- for level in range(1, 9) %}
        places.l{{ level }}_name_en,
        {%- endfor %}
        places.path,
        versions.is_removed
    from places
    inner join versions
        on
            places.org_unit_id = versions.org_unit_id
            and places.valid_from >= versions.valid_from
            and places.valid_from < versions.valid_to
    left join units
        on places.org_unit_id = units.org_unit_id
    left join levels
        on versions.level = levels.level
    -- What was told of a unit before it opened begins with its opening.
    where places.valid_to > coalesce(units.opened_on, date '1900-01-01')
)

select * from final
