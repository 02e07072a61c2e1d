with

cases as (
    select * from {{ ref('stg_hotline__cases') }}
),

events as (
    select * from {{ ref('stg_hotline__events') }}
),

created as (
    select
        case_no || ':created' as event_id,
        'hotline' as source,
        0 as source_seq,
        case_no,
        'created' as event_type,
        created_at as event_at,
        'second' as event_precision,
        recorded_at,
        batch_id,
        cast(null as string) as actor_id,
        'reporter' as actor_role,
        false as is_automatic,
        org_unit_id,
        cast(null as string) as holder_unit_id,
        channel,
        kind,
        category_path,
        customer_id,
        reporter_key,
        urgency,
        cast(null as string) as status,
        cast(null as integer) as score,
        cast(null as timestamp) as promised_due_at,
        cast(null as string) as date_flag,
        attributes
    from cases
),

followed as (
    select
        events.event_id,
        'hotline' as source,
        1 as source_seq,
        events.case_no,
        events.event_type,
        events.event_at,
        'second' as event_precision,
        events.recorded_at,
        events.batch_id,
        events.actor_id,
        events.actor_role,
        events.is_automatic,
        cases.org_unit_id,
        events.holder_unit_id,
        cast(null as string) as channel,
        cast(null as string) as kind,
        cast(null as string) as category_path,
        cast(null as string) as customer_id,
        cast(null as string) as reporter_key,
        cast(null as string) as urgency,
        events.status,
        events.score,
        cast(null as timestamp) as promised_due_at,
        cast(null as string) as date_flag,
        events.attributes
    from events
    left join cases
        on events.case_no = cases.case_no
),

final as (
    select * from created
    union all
    select * from followed
)

select * from final
