with

messages as (
    {{ latest_version(source('mail', 'messages'), ['message_id']) }}
),

final as (
    select
        message_id,
        thread_id as case_no,
        sent_at,
        received_at,
        sender as sender_key,
        recipient,
        subject,
        content as text,
        attachment_count,
        attachment_kinds,
        charset,
        coalesce(is_automatic, false) as is_automatic,
        _recorded_at as recorded_at,
        _batch_id as batch_id
    from messages
)

select * from final
