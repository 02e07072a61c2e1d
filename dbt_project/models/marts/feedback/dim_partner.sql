with

events as (
    select * from {{ ref('fct_feedback_event') }}
),

final as (
    select
        partner_id,
        min(event_at) as first_seen_at,
        max(event_at) as last_seen_at
    from events
    where partner_id is not null
    group by partner_id
)

select * from final
