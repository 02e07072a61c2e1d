{{ config(severity='warn') }}

with

clocks as (
    select * from {{ ref('dim_sla_clock') }}
),

policies as (
    select * from {{ ref('dim_sla_policy') }}
),

unconditional as (
    select distinct clock
    from policies
    where
        is_in_force
        and cycle is null
        and source is null
        and kind is null
        and category_path is null
        and priority is null
        and complexity is null
        and org_unit_id is null
        and channel is null
        and reporter_type is null
),

final as (
    select clocks.clock
    from clocks
    anti join unconditional
        on clocks.clock = unconditional.clock
)

select * from final
