with

events as (
    {{ latest_version(source('huiyin', 'audit_events'), ['audit_event_id']) }}
),

final as (
    select
        audit_event_id,
        happened_at,
        _business_date as happened_on,
        actor as actor_id,
        nullif(account_id, '') as account_id,
        action,
        nullif(object_id, '*') as object_id,
        case
            when action in ('sign_in_failed', 'sign_in_unknown') then 'failed'
            when action in ('reset_refused', 'refused_unit') then 'refused'
            else 'done'
        end as outcome,
        nullif(unit_id, '*') as org_unit_id
    from events
)

select * from final
