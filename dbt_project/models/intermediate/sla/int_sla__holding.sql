{{ config(materialized='table') }}

with

readings as (
    select * from {{ ref('int_sla__reading') }}
),

settings as (
    select * from {{ ref('int_sla__setting') }}
),

assignments as (
    select * from {{ ref('int_feedback__case_assignment') }}
),

pieces as (
    select * from {{ ref('int_time__working_piece') }}
),

units_of_cases as (
    select
        case_id,
        count(distinct coalesce(responsible_unit_id, ''))
            filter (where holder_kind in ('unit', 'person', 'unassigned')) as units,
        max(responsible_unit_id) as only_unit_id,
        bool_or(holder_kind not in ('unit', 'person', 'unassigned')) as waits
    from assignments
    group by case_id
),

-- The instant that decides: when it was late, else when it ended, else now.
decided as (
    select
        readings.reading_id,
        readings.case_id,
        readings.setting_no,
        readings.started_at,
        readings.ended_at,
        coalesce(readings.breached_at, readings.ended_at) as decided_at,
        units_of_cases.units,
        units_of_cases.only_unit_id,
        units_of_cases.waits
    from readings
    inner join units_of_cases
        on readings.case_id = units_of_cases.case_id
),

held as (
    select
        decided.reading_id,
        decided.setting_no,
        decided.decided_at,
        decided.units,
        decided.case_id,
        assignments.holder_kind,
        assignments.responsible_unit_id,
        assignments.ordinal,
        assignments.valid_from,
        assignments.valid_to,
        greatest(decided.started_at, assignments.valid_from) as from_at,
        least(decided.ended_at, coalesce(assignments.valid_to, decided.ended_at)) as to_at
    from decided
    inner join assignments
        on
            decided.case_id = assignments.case_id
            and assignments.valid_from <= decided.ended_at
            and (assignments.valid_to is null or assignments.valid_to >= decided.started_at)
    where decided.units <> 1 or decided.waits
),

timed as (
    select
        held.*,
        settings.timeline_no
    from held
    inner join settings
        on held.setting_no = settings.setting_no
    where held.units > 1
),

begun as (
    select
        timed.*,
        {{ working_position('from_piece', 'timed.from_at') }} as from_s
    from timed
    {{ join_position('pieces', 'from_piece', 'timed.timeline_no', 'timed.from_at') }}
),

measured as (
    select
        begun.*,
        greatest({{ working_position('to_piece', 'begun.to_at') }} - begun.from_s, 0) as held_s
    from begun
    {{ join_position('pieces', 'to_piece', 'begun.timeline_no', 'begun.to_at') }}
),

by_unit as (
    select
        reading_id,
        responsible_unit_id,
        sum(held_s) as held_s
    from measured
    where holder_kind in ('unit', 'person', 'unassigned')
    group by reading_id, responsible_unit_id
),

longest as (
    select
        reading_id,
        responsible_unit_id as longest_unit_id
    from by_unit
    where responsible_unit_id is not null
    qualify
        row_number() over (
            partition by reading_id order by held_s desc, responsible_unit_id
        ) = 1
),

deciding as (
    select
        reading_id,
        responsible_unit_id as unit_at_due_id
    from held
    where valid_from <= decided_at and (valid_to is null or valid_to >= decided_at)
    qualify
        row_number() over (
            partition by reading_id
            order by
                case when valid_to is null or valid_to > decided_at then 0 else 1 end,
                ordinal
        ) = 1
),

final as (
    select
        decided.reading_id,
        case
            when decided.units = 1 and not decided.waits then decided.only_unit_id
            else deciding.unit_at_due_id
        end as unit_at_due_id,
        case
            when decided.units = 1 then decided.only_unit_id else longest.longest_unit_id
        end as longest_unit_id
    from decided
    left join deciding
        on decided.reading_id = deciding.reading_id
    left join longest
        on decided.reading_id = longest.reading_id
)

select * from final
