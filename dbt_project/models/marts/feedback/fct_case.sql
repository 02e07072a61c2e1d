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

dues as (
    select * from {{ ref('int_feedback__case_due') }}
),

positions as (
    select * from {{ ref('int_feedback__case_position') }}
),

-- Named so that the model runs after the list its hook reads.
scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

build as (
    select * from {{ source('build', 'build') }}
),

worked as (
    select
        source,
        case_no,
        max(working_position_s) filter (where milestone = 'created') as created_s,
        max(working_position_s) filter (where milestone = 'first_reply') as first_reply_s,
        max(working_position_s) filter (where milestone = 'first_resolved') as first_resolved_s
    from positions
    group by source, case_no
),

joined as (
    select
        cases.*,
        dues.reply_due_at,
        dues.resolution_due_at,
        dues.due_on,
        dues.is_due_provisional,
        worked.created_s,
        worked.first_reply_s as first_reply_position_s,
        worked.first_resolved_s as first_resolved_position_s,
        build.as_of,
        cases.status not in ('resolved', 'closed', 'rejected', 'withdrawn') as is_open,
        cases.first_reply_at >= cases.created_at as has_reply_time,
        cases.first_resolved_at >= cases.created_at as has_resolution_time
    from cases
    semi join scope
        on cases.source = scope.source and cases.case_no = scope.case_no
    inner join dues
        on cases.source = dues.source and cases.case_no = dues.case_no
    inner join worked
        on cases.source = worked.source and cases.case_no = worked.case_no
    cross join build
),

judged as (
    select
        *,
        -- An undated end, or an impossible date, means that it happened and nobody knows when:
        -- neither met nor breached.
        first_resolved_at is null and (
            (not is_open and status_precision = 'unknown')
            or coalesce({{ text_matches('date_flag', '(^|,)resolved') }}, false)
        ) as is_resolution_unknown,
        first_reply_at is null and (
            (not is_open and status_precision = 'unknown')
            or coalesce({{ text_matches('date_flag', '(^|,)(first_reply|resolved)') }}, false)
        ) as is_reply_unknown
    from joined
),

measured as (
    select
        *,
        case
            when first_reply_at <= reply_due_at then true
            when first_reply_at > reply_due_at then false
            when is_reply_unknown then null
            when as_of > reply_due_at then false
        end as first_reply_met,
        -- The due instant is the first of the next day, so what is known to the day and lies on it
        -- happened after the last day.
        case
            when
                first_resolved_at < resolution_due_at
                or (
                    first_resolved_at = resolution_due_at
                    and first_resolved_precision is distinct from 'day'
                )
                then true
            when first_resolved_at >= resolution_due_at then false
            when is_resolution_unknown then null
            when as_of > resolution_due_at then false
        end as resolution_met
    from judged
),

final as (
    select
        {{ surrogate_key(['source', 'case_no']) }} as case_key,
        source,
        case_no,
        org_unit_id,
        holder_unit_id,
        customer_id,
        reporter_key,
        kind,
        case
            when category_path is not null then {{ surrogate_key(['source', 'category_path']) }}
        end as category_id,
        channel_id,
        status,
        urgency,
        is_open,
        created_at,
        created_precision,
        {{ local_date('created_at') }} as created_on,
        first_reply_at,
        {{ local_date('first_reply_at') }} as first_reply_on,
        first_resolved_at,
        resolved_at,
        {{ local_date('resolved_at') }} as resolved_on,
        closed_at,
        cast(reopen_count as integer) as reopen_count,
        cast(reopen_count + 1 as integer) as cycle_count,
        score,
        reply_due_at,
        resolution_due_at,
        due_on,
        coalesce(is_due_provisional, false) as is_due_provisional,
        case when has_reply_time then {{ seconds_between('created_at', 'first_reply_at') }} end
            as first_reply_s,
        case when has_reply_time then first_reply_position_s - created_s end
            as first_reply_working_s,
        case when has_resolution_time then {{ seconds_between('created_at', 'first_resolved_at') }}
        end as resolution_s,
        case when has_resolution_time then first_resolved_position_s - created_s end
            as resolution_working_s,
        first_reply_met,
        resolution_met,
        is_open
        and first_resolved_at is null
        and coalesce(as_of > resolution_due_at, false) as is_overdue,
        promised_due_at,
        date_flag,
        date_flag is not null as has_impossible_date,
        not is_open
        and not has_later_event
        and (first_reply_met is not null or coalesce(as_of > reply_due_at, false))
        and (resolution_met is not null or coalesce(as_of > resolution_due_at, false))
            as is_settled
    from measured
)

select * from final
