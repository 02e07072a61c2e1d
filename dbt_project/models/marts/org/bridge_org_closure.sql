with

ancestry as (
    select * from {{ ref('int_org__ancestry') }}
),

units as (
    select * from {{ ref('int_org__units') }}
),

final as (
    select
        ancestry.ancestor_id,
        ancestry.descendant_id,
        ancestry.depth,
        coalesce(units.opened_on, date '1900-01-01') as valid_from,
        coalesce(units.closed_on, date '9999-12-31') as valid_to
    from ancestry
    inner join units
        on ancestry.descendant_id = units.org_unit_id
)

select * from final
