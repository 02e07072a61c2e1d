with

units as (
    select * from {{ ref('int_org__units') }}
),

final as (
    select case when count(*) = 1 then max(org_unit_id) end as org_unit_id
    from units
    where parent_id is null
)

select * from final
