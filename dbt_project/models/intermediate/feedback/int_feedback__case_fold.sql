{{ config(materialized='table') }}

with

events as (
    select * from {{ ref('int_feedback__case_event') }}
),

scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

all_events as (
    select * from {{ ref('fct_feedback_event') }}
),

priorities as (
    select
        rating_key,
        priority
    from {{ ref('int_sla__priority') }}
    where valid_from <= {{ as_of() }}
    qualify row_number() over (partition by rating_key order by valid_from desc) = 1
),

later as (
    select distinct scope.case_id
    from all_events
    inner join scope
        on all_events.source = scope.source and all_events.case_no = scope.case_no
    where all_events.event_at > {{ as_of() }}
),

folded as (
    select
        case_id,
        max_by(org_unit_id, place) filter (where org_unit_id is not null) as org_unit_id,
        max_by(holder_unit_id, place) filter (where holder_unit_id is not null) as holder_unit_id,
        max_by(customer_id, place) filter (where customer_id is not null) as customer_id,
        max_by(reporter_key, place) filter (where reporter_key is not null) as reporter_key,
        max_by(reporter_type, place) filter (where reporter_type is not null) as reporter_type,
        max_by(kind, place) filter (where kind is not null) as kind,
        max_by(category_path, place) filter (where category_path is not null) as category_path,
        max_by(channel, place) filter (where channel is not null) as channel_id,
        max_by(urgency, place) filter (where urgency is not null) as urgency,
        max_by(importance, place) filter (where importance is not null) as importance,
        max_by(complexity, place) filter (where complexity is not null) as complexity,
        max_by(priority, place) filter (where priority is not null) as told_priority,
        max_by(new_status, place) filter (where new_status is not null) as status,
        max_by(event_precision, place) filter (where new_status is not null) as status_precision,
        max_by(score, place) filter (where score is not null) as score,
        max_by(promised_due_at, place) filter (where promised_due_at is not null)
            as promised_due_at,
        max_by(date_flag, place) filter (where date_flag is not null) as date_flag,
        min(event_at) filter (where event_type = 'created') as created_at,
        min_by(event_precision, place) filter (where event_type = 'created') as created_precision,
        least(
            min(event_at) filter (where signal = 'response'),
            min(event_at) filter (where signal = 'resolved')
        ) as first_reply_at,
        min(event_at) filter (where signal = 'resolved') as first_resolved_at,
        max(event_at) filter (where signal = 'resolved') as last_resolved_at,
        max(event_at) filter (where event_type = 'closed') as last_closed_at,
        coalesce(max(place) filter (where signal = 'resolved'), 0) as resolved_place,
        coalesce(max(place) filter (where event_type = 'closed'), 0) as closed_place,
        coalesce(max(place) filter (where event_type = 'reopened'), 0) as reopened_place,
        count(*) filter (where event_type = 'reopened') as reopen_count,
        max(cycle) as cycle_count,
        max_by(other_case_no, place) filter (where event_type = 'merged_into')
            as merged_into_case_no,
        count(*) filter (where event_type = 'merged_into') > 0 as is_merged,
        coalesce(
            max_by(event_type = 'spam_flagged', place)
                filter (where event_type in ('spam_flagged', 'spam_cleared')),
            false
        ) as is_spam,
        min(event_at) filter (where event_type = 'merged_into') as merged_at,
        max(event_at) filter (where event_type = 'spam_flagged') as spam_at
    from events
    group by case_id
),

rated as (
    select
        folded.*,
        {{ surrogate_key(['urgency', 'importance', 'complexity']) }} as rating_key
    from folded
),

final as (
    select
        rated.case_id,
        scope.source,
        scope.case_no,
        rated.org_unit_id,
        rated.holder_unit_id,
        rated.customer_id,
        rated.reporter_key,
        rated.reporter_type,
        rated.kind,
        rated.category_path,
        rated.channel_id,
        rated.urgency,
        coalesce(rated.told_priority, priorities.priority) as priority,
        rated.status,
        rated.status_precision,
        rated.score,
        rated.promised_due_at,
        rated.date_flag,
        rated.created_at,
        rated.created_precision,
        rated.first_reply_at,
        rated.first_resolved_at,
        case
            when rated.resolved_place > rated.reopened_place then rated.last_resolved_at
        end as resolved_at,
        case
            when rated.closed_place > rated.reopened_place then rated.last_closed_at
        end as closed_at,
        rated.reopen_count,
        rated.cycle_count,
        rated.merged_into_case_no,
        rated.is_merged,
        rated.is_spam,
        least(rated.merged_at, case when rated.is_spam then rated.spam_at end) as left_out_at,
        not ({{ is_ended('rated.status') }})
        and not rated.is_merged
        and not rated.is_spam as is_open,
        later.case_id is not null as has_later_event,
        -- An undated end, or an impossible date, means that it happened and nobody knows when:
        -- neither met nor breached.
        rated.first_resolved_at is null and (
            (
                {{ is_ended('rated.status') }}
                and rated.status_precision = 'unknown'
            )
            or coalesce({{ text_matches('rated.date_flag', '(^|,)resolved') }}, false)
        ) as is_resolution_unknown,
        rated.first_reply_at is null and (
            (
                {{ is_ended('rated.status') }}
                and rated.status_precision = 'unknown'
            )
            or coalesce(
                {{ text_matches('rated.date_flag', '(^|,)(first_reply|resolved)') }}, false
            )
        ) as is_reply_unknown
    from rated
    inner join scope
        on rated.case_id = scope.case_id
    left join priorities
        on rated.rating_key = priorities.rating_key
    left join later
        on rated.case_id = later.case_id
    where rated.created_at is not null
)

select * from final
