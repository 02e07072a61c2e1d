with

ancestry as (
    select * from {{ ref('int_org__ancestry_versions') }}
),

units as (
    select * from {{ ref('int_org__units') }}
),

places as (
    select
        ancestry.ancestor_id,
        ancestry.descendant_id,
        ancestry.depth,
        greatest(ancestry.valid_from, coalesce(units.opened_on, date '1900-01-01')) as valid_from,
        ancestry.valid_to,
        coalesce(units.opened_on, date '1900-01-01') as opened_on,
        units.closed_on,
        ancestry.valid_to = date '9999-12-31' as is_current
    from ancestry
    inner join units
        on ancestry.descendant_id = units.org_unit_id
),

final as (
    select
        ancestor_id,
        descendant_id,
        depth,
        valid_from,
        case
            when is_current and closed_on > valid_from then closed_on
            else valid_to
        end as valid_to,
        is_current
    from places
    where valid_to > opened_on
)

select * from final
