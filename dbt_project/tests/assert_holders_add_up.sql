-- Where the resolution clock stands still only while the reporter must act, and counts in the
-- calendar of the source, the working time of all other holders within it is what elapsed.
with

clocks as (
    select * from {{ ref('fct_sla_clock') }}
    where evaluation = 'as_was' and clock = 'resolution'
),

policies as (
    select * from {{ ref('dim_sla_policy') }}
),

cases as (
    select * from {{ ref('fct_case') }}
),

source_calendars as (
    select * from {{ ref('int_time__source_calendar') }}
),

assignments as (
    select * from {{ ref('fct_case_assignment') }}
),

-- A cycle ends with its clock, so that a stay belongs to one clock as a whole. Not so a case that
-- went back to work without being reopened, or of which something happened before its creation.
held as (
    select
        case_key,
        sum(held_working_s) filter (where holder_kind <> 'reporter') as held_working_s,
        min(valid_from) as first_held_at
    from assignments
    group by case_key
),

counted as (
    select
        clocks.case_key,
        sum(clocks.elapsed_s) as elapsed_s,
        min(clocks.started_at) as first_started_at,
        coalesce(
            bool_and(
                policies.pause_statuses = 'waiting_on_reporter'
                and clocks.unit in ('business_seconds', 'working_days')
                and clocks.calendar_id = source_calendars.calendar_id
                and clocks.zone = source_calendars.zone
            ),
            false
        ) as is_comparable
    from clocks
    left join policies
        on clocks.policy_key = policies.policy_key
    left join source_calendars
        on clocks.source = source_calendars.source
    group by clocks.case_key
),

final as (
    select
        counted.case_key,
        counted.elapsed_s,
        held.held_working_s
    from counted
    inner join held
        on counted.case_key = held.case_key
    inner join cases
        on counted.case_key = cases.case_key
    where
        counted.is_comparable
        and cases.illegal_transitions = 0
        and held.first_held_at >= counted.first_started_at
        and counted.elapsed_s <> coalesce(held.held_working_s, 0)
)

select * from final
