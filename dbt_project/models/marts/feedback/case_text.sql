{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_cases(source('build', 'touched_case')) }}"
) }}

with

texts as (
    select * from {{ ref('int_feedback__case_text') }}
),

touched as (
    select * from {{ source('build', 'touched_case') }}
),

selected as (
    select texts.*
    from texts
    {% if is_incremental() -%}
    semi join touched
        on texts.source = touched.source and texts.case_no = touched.case_no
    {%- endif %}
),

final as (
    select
        {{ surrogate_key(['source', 'case_no']) }} as case_key,
        source,
        case_no,
        text
    from selected
)

select * from final
