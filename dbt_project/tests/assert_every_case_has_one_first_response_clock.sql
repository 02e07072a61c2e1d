-- Every case has one clock of the first response under each evaluation, and one resolution clock
-- that starts with it.
with

cases as (
    select * from {{ ref('fct_case') }}
),

clocks as (
    select * from {{ ref('fct_sla_clock') }}
),

counted as (
    select
        case_key,
        count(*) filter (where clock = 'first_response' and evaluation = 'as_was') as first_as_was,
        count(*) filter (where clock = 'first_response' and evaluation = 'as_is') as first_as_is,
        count(*) filter (
            where clock = 'resolution' and evaluation = 'as_was' and ordinal = 1
        ) as resolution_as_was,
        min(started_at) filter (
            where clock = 'resolution' and evaluation = 'as_was' and ordinal = 1
        ) as started_at
    from clocks
    group by case_key
),

final as (
    select cases.case_key
    from cases
    left join counted
        on cases.case_key = counted.case_key
    where
        counted.first_as_was is distinct from 1
        or counted.first_as_is is distinct from 1
        or counted.resolution_as_was is distinct from 1
        or counted.started_at is distinct from cases.created_at
)

select * from final
