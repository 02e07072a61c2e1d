{{ config(materialized='table') }}

with

events as (
    select * from {{ ref('fct_feedback_event') }}
),

scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

event_types as (
    select * from {{ ref('event_type') }}
),

known as (
    select
        scope.case_id,
        events.event_id,
        events.event_type,
        events.event_at,
        events.event_precision,
        events.source_seq,
        events.actor_role,
        events.is_automatic,
        events.org_unit_id,
        events.holder_unit_id,
        events.holder_id,
        events.partner_id,
        events.other_case_no,
        events.channel,
        events.kind,
        events.category_path,
        events.customer_id,
        events.reporter_key,
        events.reporter_type,
        events.urgency,
        events.importance,
        events.complexity,
        events.priority,
        events.limit_at,
        events.score,
        events.promised_due_at,
        events.date_flag,
        case
            when events.event_type = 'status_set' then events.status else event_types.status
        end as new_status,
        coalesce(
            events.actor_role in ('agent', 'handler') and not events.is_automatic, false
        ) as is_by_staff
    from events
    inner join scope
        on events.source = scope.source and events.case_no = scope.case_no
    left join event_types
        on events.event_type = event_types.event_type
    where events.event_at <= {{ as_of() }}
),

placed as (
    select
        *,
        cast(row_number() over case_events as integer) as place,
        last_value(new_status ignore nulls) over case_events as status_after
    from known
    window
        case_events as (
            partition by case_id
            order by event_at, source_seq, event_id
            rows between unbounded preceding and current row
        )
),

followed as (
    select
        *,
        -- Nothing had ended that could begin again where a case is reopened while it is open.
        event_type = 'reopened'
        and coalesce(
            lag(status_after) over (partition by case_id order by place)
            in ('resolved', 'closed', 'rejected', 'withdrawn'),
            false
        ) as is_reopening
    from placed
),

final as (
    select
        *,
        cast(
            1 + sum(case when is_reopening then 1 else 0 end) over (
                partition by case_id order by place
                rows between unbounded preceding and current row
            ) as integer
        ) as cycle,
        case
            when event_type = 'public_reply' and is_by_staff then 'response'
            when event_type = 'public_reply' and is_automatic then 'automatic_reply'
            when event_type = 'progress_reply' and not is_by_staff then null
            when event_type = 'public_reply' then null
            when event_type = 'resolved' then 'resolved'
            when event_type = 'reopened' and not is_reopening then null
            when new_status in ('resolved', 'closed', 'rejected', 'withdrawn') then 'ended'
            when event_type in ('status_set', 'voted', 'internal_note') then null
            else event_type
        end as signal
    from followed
)

select * from final
