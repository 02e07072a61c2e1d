{{ config(materialized='table') }}

{#-
    The cases and units are read as the last build left them, which is why these are no refs: both
    are built from this list.
-#}
{%- set last_build = adapter.get_relation(
    database=target.database, schema='marts', identifier='fct_case'
) if execute else none %}
{%- set judged_units = adapter.get_relation(
    database='work', schema='intermediate', identifier='int_sla__judged_unit'
) if execute else none %}

with

events as (
    select * from {{ ref('fct_feedback_event') }}
),

policy_units as (
    select * from {{ ref('int_sla__policy_unit') }}
),

{% if last_build is none or flags.FULL_REFRESH -%}
scope as (
    select distinct
        source,
        case_no
    from events
)
{%- else -%}
-- A policy may have come to apply to what such a unit ever had, or ceased to.
moved_units as (
    {%- if judged_units is none %}
    select descendant_id from policy_units
    {%- else %}
    select descendant_id from (
        (select * from policy_units except select * from {{ judged_units }})
        union all
        (select * from {{ judged_units }} except select * from policy_units)
    )
    {%- endif %}
),

scope as (
    select
        source,
        case_no
    from {{ source('build', 'touched_case') }}
    union
    select
        source,
        case_no
    from {{ last_build }}
    where not is_settled
    union
    -- Cases whose creation lay after the last build's instant were none yet.
    select
        events.source,
        events.case_no
    from events
    anti join {{ last_build }} as known
        on events.source = known.source and events.case_no = known.case_no
    where events.event_type = 'created'
    union
    select
        events.source,
        events.case_no
    from events
    semi join moved_units
        on events.org_unit_id = moved_units.descendant_id
)
{%- endif %},

-- A number joins many times faster than two texts; it is of this build alone.
final as (
    select
        cast(row_number() over (order by source, case_no) as integer) as case_id,
        source,
        case_no
    from scope
)

select * from final
