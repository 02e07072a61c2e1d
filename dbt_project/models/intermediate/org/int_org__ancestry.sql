{{ config(materialized='table') }}

with recursive

units as (
    select * from {{ ref('int_org__units') }}
),

ancestry as (
    select
        org_unit_id as descendant_id,
        org_unit_id as ancestor_id,
        0 as depth
    from units
    union all
    -- The bound ends a walk round a cycle, which the test on the tree reports.
    select
        ancestry.descendant_id,
        units.parent_id,
        ancestry.depth + 1
    from ancestry
    inner join units
        on ancestry.ancestor_id = units.org_unit_id
    where units.parent_id is not null and ancestry.depth < 8
),

final as (
    select
        descendant_id,
        ancestor_id,
        min(depth) as depth
    from ancestry
    group by descendant_id, ancestor_id
)

select * from final
