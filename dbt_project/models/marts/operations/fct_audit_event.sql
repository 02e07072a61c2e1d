{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_touched_days('huiyin', 'audit_events', day_column='happened_on') }}"
) }}

with

events as (
    select * from {{ ref('stg_huiyin__audit_events') }}
    {% if is_incremental() -%}
    where happened_on in ({{ touched_days('huiyin', 'audit_events') }})
    {%- endif %}
),

final as (
    select
        audit_event_id,
        happened_at,
        happened_on,
        actor_id,
        account_id,
        action,
        object_id,
        outcome,
        org_unit_id
    from events
)

select * from final
