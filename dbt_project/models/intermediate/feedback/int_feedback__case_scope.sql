{{ config(materialized='table') }}

{#-
    The unsettled cases are read from the mart as the last build left it, which is why this is not a
    ref: the mart is built from this list.
-#}
{%- set last_build = adapter.get_relation(
    database=target.database, schema='marts', identifier='fct_case'
) if execute else none %}

with

{% if last_build is none or flags.FULL_REFRESH -%}
final as (
    select distinct
        source,
        case_no
    from {{ ref('int_feedback__events') }}
)
{%- else -%}
final as (
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
)
{%- endif %}

select * from final
