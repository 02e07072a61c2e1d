with

responses as (
    select * from {{ source('survey', 'responses') }}
),

final as (
    select
        {{ surrogate_key(
            ['survey_code', 'round_no', 'respondent_no', 'question_code']
        ) }} as response_id,
        survey_code as survey_id,
        round_no,
        respondent_no as respondent_id,
        respondent_phone as respondent_key,
        customer_no as customer_id,
        unit_code as org_unit_id,
        question_code as question_id,
        score,
        answered_at,
        _business_date as answered_on,
        _branch as source_branch,
        _recorded_at,
        _record_no,
        _batch_id,
        _op
    from responses
)

select * from final
