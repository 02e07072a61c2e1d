with

messages as (
    {{ latest_version(source('huiyin', 'messages'), ['message_id']) }}
),

final as (
    select
        message_id,
        kind,
        case when kind = 'digest' then subject_id end as digest_id,
        case when kind = 'alert' then subject_id end as alert_id,
        account_id,
        -- An account of every unit is of no one unit.
        nullif(unit_id, '*') as org_unit_id,
        language,
        segments,
        nullif(snapshot, '') as snapshot_tag,
        priority,
        state,
        reason,
        planned_at as due_at,
        expires_at,
        created_at,
        _business_date as created_on,
        updated_at as changed_at
    from messages
)

select * from final
