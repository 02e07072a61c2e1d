with

events as (
    {{ latest_version(source('intake', 'events'), ['event_no']) }}
),

final as (
    select
        event_no as event_id,
        case_no,
        source_seq,
        event_type,
        event_at,
        actor_id,
        actor_role,
        unit_id as holder_unit_id,
        received_at as recorded_at,
        _batch_id as batch_id
    from events
)

select * from final
