with

messages as (
    select * from {{ ref('stg_huiyin__messages') }}
),

attempts as (
    select * from {{ ref('stg_huiyin__attempts') }}
),

receipts as (
    select * from {{ ref('stg_huiyin__delivery_receipts') }}
),

attempted as (
    select
        message_id,
        cast(count(*) as integer) as attempts,
        max_by(gateway, ordinal) as gateway,
        min(case when is_taken then started_at end) as sent_at
    from attempts
    group by message_id
),

-- A receipt names our attempt, or the message as the gateway calls it.
proofs as (
    select
        attempts.message_id,
        receipts.received_at
    from receipts
    inner join attempts
        on receipts.attempt_id = attempts.attempt_id
    where receipts.status = 'delivered'
    union all
    select
        attempts.message_id,
        receipts.received_at
    from receipts
    inner join attempts
        on
            receipts.gateway = attempts.gateway
            and receipts.gateway_message_id = attempts.gateway_message_id
    where receipts.status = 'delivered'
),

proved as (
    select
        message_id,
        min(received_at) as delivered_at
    from proofs
    group by message_id
),

final as (
    select
        messages.message_id,
        messages.kind,
        messages.digest_id,
        messages.alert_id,
        messages.account_id,
        messages.org_unit_id,
        messages.language,
        messages.segments,
        messages.snapshot_tag,
        messages.priority,
        messages.state,
        messages.reason,
        messages.state in (
            'delivered', 'undelivered', 'suppressed', 'expired', 'cancelled', 'dead'
        ) as is_final,
        coalesce(attempted.attempts, 0) as attempts,
        attempted.gateway,
        messages.created_at,
        messages.created_on,
        messages.due_at,
        messages.expires_at,
        attempted.sent_at,
        proved.delivered_at,
        messages.changed_at,
        {{ seconds_between('messages.due_at', 'attempted.sent_at') }} as sent_after_s,
        {{ seconds_between('messages.due_at', 'proved.delivered_at') }} as delivered_after_s
    from messages
    left join attempted
        on messages.message_id = attempted.message_id
    left join proved
        on messages.message_id = proved.message_id
)

select * from final
