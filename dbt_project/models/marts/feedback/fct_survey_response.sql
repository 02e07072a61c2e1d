{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_touched_days('survey', 'responses', day_column='answered_on') }}"
) }}

with

responses as (
    select * from {{ ref('stg_survey__responses') }}
),

latest as (
    {{ latest_on_touched_days('responses', 'response_id', 'answered_on', 'survey', 'responses') }}
),

final as (
    select
        response_id,
        source_branch,
        survey_id,
        round_no,
        respondent_id,
        respondent_key,
        customer_id,
        org_unit_id,
        question_id,
        cast(score as decimal(18, 2)) as score,
        answered_at,
        answered_on
    from latest
)

select * from final
