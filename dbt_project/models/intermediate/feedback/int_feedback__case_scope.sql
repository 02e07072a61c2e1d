{{ config(materialized='table') }}

{#-
    The cases are read from the mart as the last build left it, which is why this is not a ref: the
    mart is built from this list.
-#}
{%- set last_build = adapter.get_relation(
    database=target.database, schema='marts', identifier='fct_case'
) if execute else none %}

with

events as (
    select * from {{ ref('fct_feedback_event') }}
),

{% if last_build is none or flags.FULL_REFRESH -%}
scope as (
    select distinct
        source,
        case_no
    from events
)
{%- else -%}
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
