with

attempts as (
    {{ latest_version(source('huiyin', 'attempts'), ['reference']) }}
),

final as (
    select
        reference as attempt_id,
        message_id,
        ordinal,
        gateway,
        gateway_message_id,
        state,
        state in ('accepted', 'delivered', 'undelivered') as is_taken,
        code,
        started_at,
        ended_at
    from attempts
)

select * from final
