with

staff as (
    select * from {{ ref('dim_staff') }}
),

units as (
    select * from {{ ref('dim_org') }}
),

closure as (
    select * from {{ ref('bridge_org_closure') }}
    where is_current
),

positions as (
    select * from {{ source('build', 'analyst_position') }}
),

added as (
    select * from {{ source('build', 'analyst_duty') }}
),

duties as (
    select
        staff.staff_id as account_id,
        staff.org_unit_id
    from staff
    inner join positions
        on staff.position = positions.position
    where staff.is_active
    union
    select
        account_id,
        org_unit_id
    from added
),

final as (
    select
        duties.account_id,
        closure.descendant_id as org_unit_id
    from duties
    inner join closure
        on duties.org_unit_id = closure.ancestor_id
    union
    select
        duties.account_id,
        units.org_unit_id
    from duties
    cross join units
    where duties.org_unit_id = '*'
    union
    -- Rows without a unit belong to whoever may see everything.
    select
        account_id,
        org_unit_id
    from duties
    where org_unit_id = '*'
)

select * from final
