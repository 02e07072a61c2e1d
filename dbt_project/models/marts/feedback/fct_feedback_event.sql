{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_cases(source('build', 'touched_case')) }}"
) }}

with

events as (
    select * from {{ ref('int_feedback__events') }}
),

touched as (
    select * from {{ source('build', 'touched_case') }}
),

selected as (
    select events.*
    from events
    {% if is_incremental() -%}
    semi join touched
        on events.source = touched.source and events.case_no = touched.case_no
    {%- endif %}
),

final as (
    select
        {{ surrogate_key(['source', 'event_id']) }} as event_key,
        event_id,
        source,
        source_seq,
        case_no,
        event_type,
        event_at,
        event_precision,
        recorded_at,
        source_recorded_at,
        batch_id,
        actor_id,
        actor_role,
        is_automatic,
        org_unit_id,
        holder_unit_id,
        holder_id,
        partner_id,
        other_case_no,
        channel,
        kind,
        category_path,
        customer_id,
        reporter_key,
        reporter_type,
        urgency,
        importance,
        complexity,
        priority,
        status,
        limit_at,
        score,
        promised_due_at,
        date_flag,
        attributes,
        {{ local_date('event_at') }} as event_on
    from selected
)

select * from final
