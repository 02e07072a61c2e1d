{{ config(materialized='table') }}

with

transitions as (
    select * from {{ ref('int_feedback__case_transition') }}
),

changes as (
    select * from transitions
    where status_before is distinct from status
),

final as (
    select
        case_id,
        cast(row_number() over (partition by case_id order by place) as integer) as ordinal,
        cycle,
        status,
        event_at as valid_from,
        lead(event_at) over (partition by case_id order by place) as valid_to,
        is_illegal
    from changes
)

select * from final
