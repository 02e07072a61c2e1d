-- The due times read one target of each clock, in the unit they count in.
with

policies as (
    select * from {{ ref('dim_sla_policy') }}
),

expected as (
    select
        'first_reply' as clock,
        'hours' as unit
    union all
    select
        'resolution',
        'working_days'
),

final as (
    select expected.clock
    from expected
    left join policies
        on expected.clock = policies.clock and expected.unit = policies.unit
    where policies.target is null or policies.target <= 0
)

select * from final
