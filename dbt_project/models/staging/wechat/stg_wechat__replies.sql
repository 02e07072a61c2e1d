with

replies as (
    {{ latest_version(source('wechat', 'replies'), ['reply_no']) }}
),

codes as (
    select * from {{ ref('source_code') }}
    where source = 'wechat'
),

final as (
    select
        replies.reply_no as event_id,
        replies.submission_no as case_no,
        coalesce(event_types.value, 'unrecognised') as event_type,
        replies.replied_at,
        replies.actor_no as actor_id,
        replies.score,
        {{ json_text({
            'reply_code': 'case when event_types.value is null then replies.reply_code end',
        }) }} as attributes,
        replies._recorded_at as recorded_at,
        replies._batch_id as batch_id
    from replies
    left join codes as event_types
        on replies.reply_code = event_types.code and event_types.list = 'event'
)

select * from final
