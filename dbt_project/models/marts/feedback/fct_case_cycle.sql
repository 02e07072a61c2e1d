{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_cases(ref('int_feedback__case_scope')) }}"
) }}

with

readings as (
    select * from {{ ref('int_sla__reading') }}
    where clock = 'resolution' and evaluation = 'as_was'
),

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

events as (
    select * from {{ ref('int_feedback__case_event') }}
),

votes as (
    select
        case_id,
        cycle,
        max_by(score, place) as score
    from events
    where score is not null
    group by case_id, cycle
),

final as (
    select
        {{ surrogate_key(['readings.ordinal', 'cases.source', 'cases.case_no']) }} as cycle_key,
        {{ surrogate_key(['cases.source', 'cases.case_no']) }} as case_key,
        cases.source,
        cases.case_no,
        readings.ordinal as cycle,
        cases.org_unit_id,
        cases.kind,
        case
            when cases.category_path is not null
                then {{ surrogate_key(['cases.source', 'cases.category_path']) }}
        end as category_id,
        cases.channel_id,
        readings.started_at,
        {{ local_date('readings.started_at') }} as started_on,
        readings.stopped_at as resolved_at,
        {{ local_date('readings.stopped_at') }} as resolved_on,
        readings.due_at,
        readings.state,
        readings.elapsed_s,
        readings.paused_s,
        votes.score
    from readings
    inner join cases
        on readings.case_id = cases.case_id
    semi join scope
        on readings.case_id = scope.case_id
    left join votes
        on readings.case_id = votes.case_id and readings.cycle = votes.cycle
)

select * from final
