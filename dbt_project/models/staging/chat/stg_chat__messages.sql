with

messages as (
    {{ latest_version(source('chat', 'messages'), ['message_no']) }}
),

final as (
    select
        message_no as message_id,
        session_no as case_no,
        sent_at,
        sender_role,
        visitor as reporter_key,
        customer_no as customer_id,
        agent_no as agent_id,
        unit_code as org_unit_id,
        coalesce(is_last, false) as is_last,
        content as text,
        _recorded_at as recorded_at,
        _batch_id as batch_id
    from messages
)

select * from final
