with

receipts as (
    {{ latest_version(
        source('huiyin', 'delivery_receipts'), ['gateway', 'gateway_message_id', 'status']
    ) }}
),

final as (
    select
        gateway,
        gateway_message_id,
        status,
        reference as attempt_id,
        received_at
    from receipts
)

select * from final
