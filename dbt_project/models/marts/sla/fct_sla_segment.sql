{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_cases(ref('int_feedback__case_scope')) }}"
) }}

with

segments as (
    select * from {{ ref('int_sla__segment_due') }}
),

spans as (
    select * from {{ ref('int_sla__span') }}
),

settings as (
    select * from {{ ref('int_sla__setting') }}
),

scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

-- A clock that kept its policy is whole in fct_sla_clock.
final as (
    select
        {{ surrogate_key([
            'settings.evaluation', 'settings.clock', 'spans.ordinal', 'segments.segment_no',
            'scope.source', 'scope.case_no',
        ]) }} as segment_key,
        {{ surrogate_key([
            'settings.evaluation', 'settings.clock', 'spans.ordinal', 'scope.source',
            'scope.case_no',
        ]) }} as clock_key,
        settings.evaluation,
        scope.source,
        scope.case_no,
        settings.clock,
        spans.ordinal,
        segments.segment_no,
        settings.policy_key,
        segments.from_at,
        segments.to_at,
        segments.target,
        settings.unit,
        segments.due_at
    from segments
    inner join spans
        on segments.span_id = spans.span_id
    inner join settings
        on segments.setting_no = settings.setting_no
    inner join scope
        on spans.case_id = scope.case_id
    where not (segments.segment_no = 1 and segments.is_last)
)

select * from final
