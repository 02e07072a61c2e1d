with

submissions as (
    {{ latest_version(source('wechat', 'submissions'), ['submission_no']) }}
),

codes as (
    select * from {{ ref('source_code') }}
    where source = 'wechat'
),

final as (
    select
        submissions.submission_no as case_no,
        submissions.submitted_at,
        submissions.open_id as reporter_key,
        submissions.customer_no as customer_id,
        coalesce(kinds.value, 'unrecognised') as kind,
        submissions.category_path,
        submissions.unit_code as org_unit_id,
        submissions.content as text,
        {{ json_text({
            'kind_code': 'case when kinds.value is null then submissions.kind_code end',
            'media_count': 'nullif(submissions.media_count, 0)',
        }) }} as attributes,
        submissions._recorded_at as recorded_at,
        submissions._batch_id as batch_id
    from submissions
    left join codes as kinds
        on submissions.kind_code = kinds.code and kinds.list = 'kind'
)

select * from final
