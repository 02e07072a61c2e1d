with

events as (
    select * from {{ ref('int_feedback__case_event') }}
),

marks as (
    select
        case_id,
        place,
        event_type,
        event_at,
        min(case when event_type = 'spam_cleared' then event_at end) over (
            partition by case_id order by place
            rows between 1 following and unbounded following
        ) as cleared_at
    from events
    where event_type in ('merged_into', 'spam_flagged', 'spam_cleared')
),

final as (
    select
        case_id,
        case when event_type = 'merged_into' then 'merged' else 'spam' end as reason,
        event_at as valid_from,
        case when event_type = 'spam_flagged' then cleared_at end as valid_to
    from marks
    where event_type <> 'spam_cleared'
)

select * from final
