{{ config(materialized='table') }}

with

ancestry as (
    select * from {{ ref('int_org__ancestry_versions') }}
),

policies as (
    select * from {{ ref('int_sla__policy') }}
),

named as (
    select
        ancestor_id,
        descendant_id,
        valid_from,
        valid_to,
        lag(valid_to) over (
            partition by ancestor_id, descendant_id order by valid_from
        ) is distinct from valid_from as is_beginning
    from ancestry
    where ancestor_id in (select org_unit_id from policies)
),

-- A unit that is renamed, or one between, does not move.
numbered as (
    select
        *,
        count(*) filter (where is_beginning) over (
            partition by ancestor_id, descendant_id order by valid_from
        ) as stretch_no
    from named
),

stretches as (
    select
        ancestor_id,
        descendant_id,
        min(valid_from) as valid_from,
        max(valid_to) as valid_to
    from numbered
    group by ancestor_id, descendant_id, stretch_no
),

final as (
    select
        *,
        valid_from <= {{ local_date(as_of()) }} and valid_to > {{ local_date(as_of()) }}
            as is_present
    from stretches
)

select * from final
