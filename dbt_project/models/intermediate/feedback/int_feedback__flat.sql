with

cases as (
    select
        *,
        {{ surrogate_key(['source', 'org_path']) }} as path_key
    from {{ ref('stg_flat__cases') }}
),

milestones as (
    select
        source, case_no, 0 as source_seq, 'created' as event_type, created_at as event_at
    from cases
    union all
    select source, case_no, 1, 'public_reply', first_reply_at from cases
    union all
    select source, case_no, 2, 'resolved', resolved_at from cases
    union all
    select source, case_no, 3, 'closed', closed_at from cases
    union all
    -- The row tells the status without its time, so it stands after all that is known.
    select
        source,
        case_no,
        4,
        'status_set',
        case
            when status is not null
                then greatest(created_at, first_reply_at, resolved_at, closed_at)
        end
    from cases
),

final as (
    select
        cases.case_no || ':' || milestones.event_type as event_id,
        cases.source,
        milestones.source_seq,
        cases.case_no,
        milestones.event_type,
        milestones.event_at,
        case
            when milestones.event_type = 'status_set' then 'unknown'
            else cases.created_precision
        end as event_precision,
        cases.recorded_at,
        cases.batch_id,
        cast(null as string) as actor_id,
        case when milestones.event_type = 'created' then 'reporter' else 'agent' end as actor_role,
        false as is_automatic,
        case when cases.org_path is not null then cases.path_key end as org_unit_id,
        cast(null as string) as holder_unit_id,
        case when milestones.event_type = 'created' then cases.channel end as channel,
        case when milestones.event_type = 'created' then coalesce(cases.kind, 'unrecognised') end
            as kind,
        case when milestones.event_type = 'created' then cases.category_path end as category_path,
        cast(null as string) as customer_id,
        cast(null as string) as reporter_key,
        cast(null as string) as urgency,
        case when milestones.event_type = 'status_set' then cases.status end as status,
        case when milestones.event_type = 'created' then cases.score end as score,
        case when milestones.event_type = 'created' then cases.promised_due_at end
            as promised_due_at,
        case when milestones.event_type = 'created' then cases.date_flag end as date_flag,
        case when milestones.event_type = 'created' then cases.attributes end as attributes
    from milestones
    inner join cases
        on milestones.source = cases.source and milestones.case_no = cases.case_no
    where milestones.event_at is not null
)

select * from final
