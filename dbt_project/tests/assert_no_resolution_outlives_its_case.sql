-- Once a case is over, its clocks of resolution are. A row is a clock that runs on, which would
-- also keep the case from ever being settled.
with

clocks as (
    select * from {{ ref('fct_sla_clock') }}
),

cases as (
    select * from {{ ref('fct_case') }}
),

final as (
    select
        clocks.clock_key,
        clocks.clock,
        clocks.state,
        cases.status
    from clocks
    inner join cases
        on clocks.case_key = cases.case_key
    where
        clocks.clock in ('agent_work', 'requester_wait', 'resolution', 'full_resolution')
        and clocks.is_open
        and {{ is_ended('cases.status') }}
)

select * from final
