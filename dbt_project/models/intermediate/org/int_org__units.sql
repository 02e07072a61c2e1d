with

crm_units as (
    select * from {{ ref('stg_crm__units') }}
),

flat_cases as (
    select * from {{ ref('stg_flat__cases') }}
),

flat_paths as (
    select distinct
        source,
        org_path as path
    from flat_cases
    where org_path is not null
),

flat_prefixes as (
    {{ path_prefixes('flat_paths') }}
),

final as (
    select
        units.org_unit_id,
        units.org_unit_id as code,
        units.name,
        units.name_en,
        units.level,
        units.unit_type,
        parents.org_unit_id as parent_id,
        units.opened_on,
        units.closed_on
    from crm_units as units
    left join crm_units as parents
        on units.parent_id = parents.org_unit_id
    union all
    select
        {{ surrogate_key(['source', 'path']) }},
        path,
        name,
        name,
        depth,
        'path',
        case when parent_path is not null then {{ surrogate_key(['source', 'parent_path']) }} end,
        cast(null as date),
        cast(null as date)
    from flat_prefixes
)

select * from final
