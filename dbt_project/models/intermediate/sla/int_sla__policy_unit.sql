{{ config(materialized='table') }}

with

ancestry as (
    select * from {{ ref('int_org__ancestry_versions') }}
),

policies as (
    select * from {{ ref('int_sla__policy') }}
),

final as (
    select
        ancestor_id,
        descendant_id,
        valid_from,
        valid_to
    from ancestry
    where ancestor_id in (select org_unit_id from policies)
)

select * from final
