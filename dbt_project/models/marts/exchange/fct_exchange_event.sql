with

noted as (
    select * from {{ source('build', 'exchange_event') }}
),

batches as (
    select * from {{ source('build', 'delivery') }}
),

codes as (
    select * from {{ ref('dim_exchange_code') }}
),

refused as (
    select * from batches where status = 'refused'
),

landed as (
    select * from batches where status in ('loaded', 'superseded')
),

-- A delivery of the same number answers a refusal, or one of the same day where none is numbered.
answers as (
    select
        refused.batch_id,
        min(coalesce(landed.loaded_at, landed.received_at)) as answered_at
    from refused
    inner join landed
        on
            refused.source = landed.source
            and refused.stream = landed.stream
            and refused.branch = landed.branch
            and (
                refused.sequence = landed.sequence
                or (refused.sequence is null and refused.business_date = landed.business_date)
            )
    group by refused.batch_id
),

events as (
    select
        'event:' || cast(noted.event_id as string) as event_key,
        'note' as event_kind,
        noted.code,
        noted.source,
        noted.stream,
        noted.branch,
        noted.business_date,
        batches.batch_id,
        noted.noted_at,
        noted.settled_at
    from noted
    left join batches
        on noted.batch_id = batches.batch_id
    union all
    select
        'batch:' || refused.batch_id,
        'refusal',
        refused.code,
        refused.source,
        refused.stream,
        refused.branch,
        refused.business_date,
        refused.batch_id,
        refused.received_at,
        case
            when answers.answered_at > refused.received_at then answers.answered_at
            when answers.answered_at is not null then refused.received_at
        end
    from refused
    left join answers
        on refused.batch_id = answers.batch_id
),

final as (
    select
        events.event_key,
        events.event_kind,
        events.code,
        -- A code of a newer program is looked at rather than passed over.
        coalesce(codes.severity, 'warning') as severity,
        events.source,
        events.stream,
        events.branch,
        events.business_date,
        events.batch_id,
        events.noted_at,
        {{ local_date('events.noted_at') }} as noted_on,
        {{ seconds_between("timestamp '1970-01-01 00:00:00'", 'events.noted_at') }} as noted_s,
        events.settled_at,
        events.settled_at is null as is_open,
        {{ seconds_between('events.noted_at', 'events.settled_at') }} as open_s
    from events
    left join codes
        on events.code = codes.code
)

select * from final
