{{ config(materialized='table') }}

with recursive

units as (
    select * from {{ ref('int_org__unit_versions') }}
),

-- Every walk up from a version of a unit, with the dates on which all its steps are valid.
walks as (
    select
        org_unit_id as descendant_id,
        org_unit_id as ancestor_id,
        parent_id as next_id,
        name,
        name_en,
        level,
        0 as depth,
        valid_from,
        valid_to
    from units
    union all
    -- The bound ends a walk round a cycle, which the test on the tree reports. A removed unit is
    -- above nobody.
    select
        walks.descendant_id,
        units.org_unit_id,
        units.parent_id,
        units.name,
        units.name_en,
        units.level,
        walks.depth + 1,
        greatest(walks.valid_from, units.valid_from),
        least(walks.valid_to, units.valid_to)
    from walks
    inner join units
        on
            walks.next_id = units.org_unit_id
            and walks.valid_from < units.valid_to
            and walks.valid_to > units.valid_from
    where walks.depth < 8 and not units.is_removed
),

bounds as (
    select
        descendant_id,
        valid_from as bound_on
    from walks
    union
    select
        descendant_id,
        valid_to
    from walks
),

spans as (
    select
        descendant_id,
        bound_on as valid_from,
        lead(bound_on) over (partition by descendant_id order by bound_on) as valid_to
    from bounds
),

final as (
    select
        spans.descendant_id,
        walks.ancestor_id,
        min(walks.depth) as depth,
        bool_or(walks.depth = 1) as is_parent,
        max(walks.name) as name,
        max(walks.name_en) as name_en,
        max(walks.level) as level,
        spans.valid_from,
        spans.valid_to
    from spans
    inner join walks
        on
            spans.descendant_id = walks.descendant_id
            and spans.valid_from >= walks.valid_from
            and spans.valid_to <= walks.valid_to
    group by spans.descendant_id, walks.ancestor_id, spans.valid_from, spans.valid_to
)

select * from final
