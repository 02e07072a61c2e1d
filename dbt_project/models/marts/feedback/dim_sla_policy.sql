with

policies as (
    select * from {{ ref('sla_policy') }}
),

final as (
    select
        policy_id,
        name,
        name_en,
        clock,
        target,
        unit,
        calendar_rule
    from policies
)

select * from final
