-- As was, the policy of a clock was in force when the clock started; as is, it is in force now.
with

clocks as (
    select * from {{ ref('fct_sla_clock') }}
),

policies as (
    select * from {{ ref('dim_sla_policy') }}
),

final as (
    select clocks.clock_key
    from clocks
    inner join policies
        on clocks.policy_key = policies.policy_key
    where
        not policies.is_active
        or clocks.clock <> policies.clock
        or (
            clocks.evaluation = 'as_was'
            and (
                clocks.started_at < policies.valid_from
                or clocks.started_at >= policies.valid_to
            )
        )
        or (clocks.evaluation = 'as_is' and not policies.is_in_force)
)

select * from final
