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

in_scope as (
    select events.*
    from events
    semi join scope
        on events.source = scope.source and events.case_no = scope.case_no
),

known as (
    select
        in_scope.*,
        case
            when in_scope.event_type = 'status_set' then in_scope.status
            else event_types.status
        end as new_status,
        in_scope.event_type = 'public_reply'
        and in_scope.actor_role in ('agent', 'handler')
        and not in_scope.is_automatic as is_first_reply_candidate,
        row_number() over (
            partition by in_scope.source, in_scope.case_no
            order by in_scope.event_at, in_scope.source_seq, in_scope.event_id
        ) as place
    from in_scope
    left join event_types
        on in_scope.event_type = event_types.event_type
    where in_scope.event_at <= {{ as_of() }}
),

later as (
    select distinct
        source,
        case_no
    from in_scope
    where event_at > {{ as_of() }}
),

folded as (
    select
        source,
        case_no,
        max_by(org_unit_id, place) filter (where org_unit_id is not null) as org_unit_id,
        max_by(holder_unit_id, place) filter (where holder_unit_id is not null) as holder_unit_id,
        max_by(customer_id, place) filter (where customer_id is not null) as customer_id,
        max_by(reporter_key, place) filter (where reporter_key is not null) as reporter_key,
        max_by(kind, place) filter (where kind is not null) as kind,
        max_by(category_path, place) filter (where category_path is not null) as category_path,
        max_by(channel, place) filter (where channel is not null) as channel_id,
        max_by(urgency, place) filter (where urgency is not null) as urgency,
        max_by(new_status, place) filter (where new_status is not null) as status,
        max_by(event_precision, place) filter (where new_status is not null) as status_precision,
        max_by(score, place) filter (where score is not null) as score,
        max_by(promised_due_at, place) filter (where promised_due_at is not null)
            as promised_due_at,
        max_by(date_flag, place) filter (where date_flag is not null) as date_flag,
        min(event_at) filter (where event_type = 'created') as created_at,
        max_by(event_precision, place) filter (where event_type = 'created') as created_precision,
        least(
            min(event_at) filter (where is_first_reply_candidate),
            min(event_at) filter (where event_type = 'resolved')
        ) as first_reply_at,
        min(event_at) filter (where event_type = 'resolved') as first_resolved_at,
        min_by(event_precision, place) filter (where event_type = 'resolved')
            as first_resolved_precision,
        max(event_at) filter (where event_type = 'resolved') as last_resolved_at,
        max(event_at) filter (where event_type = 'closed') as last_closed_at,
        coalesce(max(place) filter (where event_type = 'resolved'), 0) as resolved_place,
        coalesce(max(place) filter (where event_type = 'closed'), 0) as closed_place,
        coalesce(max(place) filter (where event_type = 'reopened'), 0) as reopened_place,
        count(*) filter (where event_type = 'reopened') as reopen_count
    from known
    group by source, case_no
),

final as (
    select
        folded.source,
        folded.case_no,
        folded.org_unit_id,
        folded.holder_unit_id,
        folded.customer_id,
        folded.reporter_key,
        folded.kind,
        folded.category_path,
        folded.channel_id,
        folded.urgency,
        folded.status,
        folded.status_precision,
        folded.score,
        folded.promised_due_at,
        folded.date_flag,
        folded.created_at,
        folded.created_precision,
        folded.first_reply_at,
        folded.first_resolved_at,
        folded.first_resolved_precision,
        case
            when folded.resolved_place > folded.reopened_place then folded.last_resolved_at
        end as resolved_at,
        case
            when folded.closed_place > folded.reopened_place then folded.last_closed_at
        end as closed_at,
        folded.reopen_count,
        later.case_no is not null as has_later_event
    from folded
    left join later
        on folded.source = later.source and folded.case_no = later.case_no
    where folded.created_at is not null
)

select * from final
