{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_cases(ref('int_feedback__case_scope')) }}"
) }}

with

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

transitions as (
    select * from {{ ref('int_feedback__case_transition') }}
),

readings as (
    select * from {{ ref('int_sla__reading') }}
    where evaluation = 'as_was'
),

source_calendars as (
    select * from {{ ref('int_time__source_calendar') }}
),

timelines as (
    select * from {{ ref('int_time__timeline') }}
),

days as (
    select * from {{ ref('int_time__day') }}
),

settings as (
    select * from {{ ref('int_sla__setting') }}
),

pieces as (
    select * from {{ ref('int_time__working_piece') }}
),

-- Named so that the model runs after the list its hook reads.
scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

first_responses as (
    select * from readings
    where clock = 'first_response'
),

resolutions as (
    select * from readings
    where clock = 'resolution' and ordinal = 1
),

running as (
    select
        case_id,
        coalesce(bool_or(is_open), false) as has_open_clock,
        coalesce(
            bool_or(clock = 'resolution' and is_breached and is_open), false
        ) as is_resolution_late
    from readings
    group by case_id
),

illegal as (
    select
        case_id,
        count(*) as illegal_transitions
    from transitions
    where is_illegal
    group by case_id
),

last_days as (
    select
        resolutions.case_id,
        cast(
            timezone(
                settings.zone, timezone('UTC', resolutions.due_at - interval 1 second)
            ) as date
        ) as due_on
    from resolutions
    inner join settings
        on resolutions.setting_no = settings.setting_no
),

placed as (
    select
        cases.*,
        timelines.timeline_no
    from cases
    semi join scope
        on cases.case_id = scope.case_id
    left join source_calendars
        on cases.source = source_calendars.source
    left join timelines
        on
            source_calendars.calendar_id = timelines.calendar_id
            and source_calendars.zone = timelines.zone
            and timelines.evaluation = 'as_was'
),

begun as (
    select
        placed.*,
        {{ working_position('created_piece', 'placed.created_at') }} as created_s
    from placed
    {{ join_position('pieces', 'created_piece', 'placed.timeline_no', 'placed.created_at') }}
),

replied as (
    select
        begun.*,
        {{ working_position('reply_piece', 'begun.first_reply_at') }} as first_reply_position_s
    from begun
    {{ join_position('pieces', 'reply_piece', 'begun.timeline_no', 'begun.first_reply_at') }}
),

worked as (
    select
        replied.*,
        {{ working_position('resolved_piece', 'replied.first_resolved_at') }}
            as first_resolved_position_s
    from replied
    {{ join_position('pieces', 'resolved_piece', 'replied.timeline_no', 'replied.first_resolved_at') }}
),

final as (
    select
        {{ surrogate_key(['worked.source', 'worked.case_no']) }} as case_key,
        worked.source,
        worked.case_no,
        worked.org_unit_id,
        worked.holder_unit_id,
        worked.customer_id,
        worked.reporter_key,
        worked.kind,
        case
            when worked.category_path is not null
                then {{ surrogate_key(['worked.source', 'worked.category_path']) }}
        end as category_id,
        worked.channel_id,
        worked.status,
        worked.urgency,
        worked.priority,
        worked.is_open,
        worked.is_merged,
        worked.merged_into_case_no,
        worked.is_spam,
        worked.created_at,
        worked.created_precision,
        {{ local_date('worked.created_at') }} as created_on,
        worked.first_reply_at,
        {{ local_date('worked.first_reply_at') }} as first_reply_on,
        worked.first_resolved_at,
        worked.resolved_at,
        {{ local_date('worked.resolved_at') }} as resolved_on,
        worked.closed_at,
        cast(worked.reopen_count as integer) as reopen_count,
        worked.cycle_count,
        worked.score,
        first_responses.due_at as reply_due_at,
        resolutions.due_at as resolution_due_at,
        last_days.due_on,
        coalesce(days.is_provisional, false) as is_due_provisional,
        case
            when worked.first_reply_at >= worked.created_at
                then {{ seconds_between('worked.created_at', 'worked.first_reply_at') }}
        end as first_reply_s,
        case
            when worked.first_reply_at >= worked.created_at
                then worked.first_reply_position_s - worked.created_s
        end as first_reply_working_s,
        case
            when worked.first_resolved_at >= worked.created_at
                then {{ seconds_between('worked.created_at', 'worked.first_resolved_at') }}
        end as resolution_s,
        case
            when worked.first_resolved_at >= worked.created_at
                then worked.first_resolved_position_s - worked.created_s
        end as resolution_working_s,
        case first_responses.state when 'met' then true when 'breached' then false end
            as first_reply_met,
        case resolutions.state when 'met' then true when 'breached' then false end
            as resolution_met,
        worked.is_open and coalesce(running.is_resolution_late, false) as is_overdue,
        cast(coalesce(illegal.illegal_transitions, 0) as integer) as illegal_transitions,
        worked.promised_due_at,
        worked.date_flag,
        worked.date_flag is not null as has_impossible_date,
        not worked.is_open
        and not worked.has_later_event
        and not coalesce(running.has_open_clock, false) as is_settled
    from worked
    left join first_responses
        on worked.case_id = first_responses.case_id
    left join resolutions
        on worked.case_id = resolutions.case_id
    left join last_days
        on worked.case_id = last_days.case_id
    left join settings
        on resolutions.setting_no = settings.setting_no
    left join days
        on settings.timeline_no = days.timeline_no and last_days.due_on = days.date_on
    left join running
        on worked.case_id = running.case_id
    left join illegal
        on worked.case_id = illegal.case_id
)

select * from final
