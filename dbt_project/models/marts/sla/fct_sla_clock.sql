{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_cases(ref('int_feedback__case_scope')) }}"
) }}

with

readings as (
    select * from {{ ref('int_sla__reading') }}
),

spans as (
    select * from {{ ref('int_sla__span') }}
),

settings as (
    select * from {{ ref('int_sla__setting') }}
),

policies as (
    select * from {{ ref('int_sla__policy') }}
),

prospects as (
    select * from {{ ref('int_sla__prospect') }}
),

holdings as (
    select * from {{ ref('int_sla__holding') }}
),

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

day_pieces as (
    select * from {{ ref('int_time__day_piece') }}
),

local_days as (
    select * from {{ ref('int_time__local_day') }}
),

build as (
    select * from {{ source('build', 'build') }}
),

attributed as (
    select
        case_id,
        source,
        case_no,
        org_unit_id,
        customer_id,
        kind,
        case
            when category_path is not null then {{ surrogate_key(['source', 'category_path']) }}
        end as category_id,
        channel_id,
        priority,
        {{ surrogate_key(['source', 'case_no']) }} as case_key
    from cases
),

rules as (
    select
        settings.setting_no,
        settings.calendar_id,
        settings.zone,
        settings.timeline_no,
        settings.target as policy_target,
        settings.unit,
        settings.is_in_days,
        coalesce(settings.target_kind, 'each') as target_kind,
        policies.policy_key,
        policies.policy_id,
        policies.version as policy_version
    from settings
    left join policies
        on settings.policy_key = policies.policy_key
),

dated as (
    select
        readings.*,
        readings.due_at - interval 1 second as due_day_at,
        rules.timeline_no,
        rules.calendar_id,
        rules.zone,
        rules.policy_target,
        rules.unit,
        rules.is_in_days,
        rules.target_kind,
        rules.policy_key,
        rules.policy_id,
        rules.policy_version
    from readings
    inner join rules
        on readings.setting_no = rules.setting_no
),

placed as (
    select
        dated.*,
        due_day.date_on as due_on,
        due_day.working_day_no as due_working_day_no,
        coalesce(due_day.is_provisional, false) as is_provisional,
        due_day.calendar_version
    from dated
    {{ join_position('day_pieces', 'due_day', 'dated.timeline_no', 'dated.due_day_at') }}
),

final as (
    select
        {{ surrogate_key([
            'placed.evaluation', 'placed.clock', 'placed.ordinal', 'attributed.source',
            'attributed.case_no',
        ]) }} as clock_key,
        attributed.case_key,
        placed.evaluation,
        attributed.source,
        attributed.case_no,
        placed.clock,
        placed.ordinal,
        placed.cycle,
        placed.policy_key,
        placed.policy_id,
        placed.policy_version,
        placed.calendar_id,
        placed.zone,
        placed.calendar_version,
        placed.target,
        placed.unit,
        placed.target_kind,
        placed.started_at,
        start_day.date_on as started_on,
        placed.due_at,
        placed.due_on,
        placed.stopped_at,
        stop_day.date_on as stopped_on,
        placed.breached_at,
        placed.cancelled_at,
        placed.state,
        placed.cancelled_by,
        placed.elapsed_s,
        placed.paused_s,
        {{ seconds_between('placed.started_at', 'placed.ended_at') }} as calendar_elapsed_s,
        case
            when placed.is_open
                then
                coalesce(
                    prospects.limit_s, case when not placed.is_in_days then placed.target end
                ) - placed.elapsed_s
        end as remaining_s,
        case when placed.is_breached and not placed.is_in_days then placed.elapsed_s - placed.target
        end as overrun_s,
        prospects.due_if_resumed_at,
        prospects.at_risk_at,
        coalesce(prospects.at_risk_at <= build.as_of, false)
        and placed.is_open
        and not placed.is_breached
        and not placed.is_paused as is_at_risk,
        placed.is_breached,
        placed.is_open and not placed.is_breached and coalesce(placed.due_at >= build.as_of, true)
            as is_running,
        placed.is_open,
        placed.is_breached and placed.is_due_before_change as is_breached_on_change,
        placed.is_provisional,
        spans.is_stopped_before_start,
        placed.is_due_unreached,
        placed.is_left_out,
        -- A day without working time adds nothing: due on Friday, one working day over on Monday.
        case
            when placed.is_open and placed.is_breached
                then cast(today.working_day_no - placed.due_working_day_no as integer)
        end as overdue_working_days,
        holdings.unit_at_due_id,
        holdings.longest_unit_id,
        attributed.org_unit_id,
        attributed.customer_id,
        attributed.kind,
        attributed.category_id,
        attributed.channel_id,
        attributed.priority
    from placed
    inner join spans
        on placed.span_id = spans.span_id
    inner join attributed
        on placed.case_id = attributed.case_id
    left join prospects
        on placed.reading_id = prospects.reading_id
    left join holdings
        on placed.reading_id = holdings.reading_id
    {{ join_local_day('local_days', 'start_day', 'placed.started_at') }}
    {{ join_local_day('local_days', 'stop_day', 'placed.stopped_at') }}
    cross join build
    {{ join_position('day_pieces', 'today', 'placed.timeline_no', 'build.as_of') }}
)

select * from final
