{{ config(severity='warn') }}
-- Every unit hangs under a unit that exists, at a deeper level than it, and none is its own
-- ancestor. A unit whose parent has not arrived stands as a root until it does.
with

delivered as (
    select * from {{ ref('stg_crm__units') }}
),

units as (
    select * from {{ ref('dim_org') }}
),

final as (
    select delivered.org_unit_id
    from delivered
    left join units as parents
        on delivered.parent_id = parents.org_unit_id
    where
        delivered.parent_id is not null
        and (parents.org_unit_id is null or parents.level >= delivered.level)
)

select * from final
