with

cases as (
    {{ latest_version(source('hotline', 'cases'), ['case_no']) }}
),

codes as (
    select * from {{ ref('hotline_code') }}
),

final as (
    select
        cases.case_no,
        cases.created_at,
        cases.customer_no as customer_id,
        cases.caller_phone as reporter_key,
        kinds.value as kind,
        cases.category_path,
        cases.channel_code as channel,
        cases.unit_code as org_unit_id,
        cases.urgency_code as urgency,
        cases.content as text,
        cases._recorded_at as recorded_at,
        cases._batch_id as batch_id
    from cases
    left join codes as kinds
        on cases.kind_code = kinds.code and kinds.list = 'kind'
)

select * from final
