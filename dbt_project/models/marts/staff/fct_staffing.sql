{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_touched_days('hr', 'staffing', day_column='staffed_on') }}"
) }}

with

staffing as (
    select * from {{ ref('stg_hr__staffing') }}
    {% if is_incremental() -%}
    where staffed_on in ({{ touched_days('hr', 'staffing') }})
    {%- endif %}
),

final as (
    select
        {{ surrogate_key(['staffed_on', 'org_unit_id']) }} as staffing_id,
        source_branch,
        org_unit_id,
        staffed_on,
        headcount,
        on_leave,
        headcount - on_leave as present
    from staffing
)

select * from final
