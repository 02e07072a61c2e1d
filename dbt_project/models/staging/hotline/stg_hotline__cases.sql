with

cases as (
    {{ latest_version(source('hotline', 'cases'), ['case_no']) }}
),

codes as (
    select * from {{ ref('hotline_code') }}
),

channels as (
    select * from {{ ref('channel') }}
),

final as (
    select
        cases.case_no,
        cases.created_at,
        cases.customer_no as customer_id,
        cases.caller_phone as reporter_key,
        coalesce(kinds.value, 'unrecognised') as kind,
        cases.category_path,
        case
            when channels.channel_id is null and cases.channel_code is not null then 'unrecognised'
            else cases.channel_code
        end as channel,
        cases.unit_code as org_unit_id,
        cases.urgency_code as urgency,
        cases.content as text,
        {{ json_text({
            'kind_code': 'case when kinds.value is null then cases.kind_code end',
            'channel_code': 'case when channels.channel_id is null then cases.channel_code end',
        }) }} as attributes,
        cases._recorded_at as recorded_at,
        cases._batch_id as batch_id
    from cases
    left join codes as kinds
        on cases.kind_code = kinds.code and kinds.list = 'kind'
    left join channels
        on cases.channel_code = channels.channel_id
)

select * from final
