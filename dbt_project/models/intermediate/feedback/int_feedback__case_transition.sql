{{ config(materialized='table') }}

with

events as (
    select * from {{ ref('int_feedback__case_event') }}
),

transitions as (
    select * from {{ ref('status_transition') }}
),

told as (
    select
        case_id,
        place,
        cycle,
        event_id,
        event_type,
        event_at,
        new_status as status,
        status_before
    from events
    where new_status is not null
),

final as (
    select
        told.case_id,
        told.place,
        told.cycle,
        told.event_id,
        told.event_type,
        told.event_at,
        told.status,
        told.status_before,
        -- The first status of a case needs no permission. The same status told again changes
        -- nothing, but a case cannot be resolved or reopened twice.
        told.status_before is not null
        and transitions.event_type is null
        and (
            told.status_before <> told.status or told.event_type in ('resolved', 'reopened')
        ) as is_illegal
    from told
    left join transitions
        on
            told.event_type = transitions.event_type
            and told.status_before = transitions.from_status
            and told.status = transitions.to_status
)

select * from final
