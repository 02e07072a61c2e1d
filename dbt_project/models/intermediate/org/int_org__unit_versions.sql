{{ config(materialized='table') }}

with

crm_versions as (
    select * from {{ ref('stg_crm__unit_versions') }}
),

units as (
    select * from {{ ref('int_org__units') }}
),

final as (
    select
        org_unit_id,
        parent_id,
        name,
        name_en,
        level,
        unit_type,
        is_removed,
        valid_from,
        valid_to
    from crm_versions
    union all
    -- A path of a flat data set names its own place, so it has one version.
    select
        org_unit_id,
        parent_id,
        name,
        name_en,
        level,
        unit_type,
        false,
        date '1900-01-01',
        date '9999-12-31'
    from units
    where unit_type = 'path'
)

select * from final
