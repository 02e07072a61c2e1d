with

cases as (
    select * from {{ ref('stg_intake__cases') }}
),

events as (
    select * from {{ ref('stg_intake__events') }}
),

units as (
    select * from {{ ref('int_org__units') }}
),

-- A case without a unit is seen at the top until it is assigned; with several tops nobody knows.
top_unit as (
    select case when count(*) = 1 then max(org_unit_id) end as org_unit_id
    from units
    where parent_id is null
),

followed_units as (
    select
        events.*,
        last_value(
            case when events.event_type = 'assigned' then events.holder_unit_id end ignore nulls
        ) over (
            partition by events.case_no
            order by events.event_at, events.source_seq, events.event_id
            rows between unbounded preceding and current row
        ) as assigned_unit_id
    from events
),

created as (
    select
        cases.case_no || ':created' as event_id,
        'intake' as source,
        0 as source_seq,
        cases.case_no,
        'created' as event_type,
        cases.created_at as event_at,
        cases.created_precision as event_precision,
        cases.recorded_at,
        cases.batch_id,
        cast(null as string) as actor_id,
        'reporter' as actor_role,
        false as is_automatic,
        coalesce(cases.org_unit_id, top_unit.org_unit_id) as org_unit_id,
        cast(null as string) as holder_unit_id,
        cases.channel,
        cases.kind,
        cases.category_path,
        cast(null as string) as customer_id,
        cases.reporter_key,
        cast(null as string) as urgency,
        cast(null as string) as status,
        cast(null as integer) as score,
        cases.promised_due_at,
        cast(null as string) as date_flag,
        cases.attributes
    from cases
    cross join top_unit
),

followed as (
    select
        followed_units.event_id,
        'intake' as source,
        followed_units.source_seq,
        followed_units.case_no,
        followed_units.event_type,
        followed_units.event_at,
        'second' as event_precision,
        followed_units.recorded_at,
        followed_units.batch_id,
        followed_units.actor_id,
        followed_units.actor_role,
        false as is_automatic,
        case
            when cases.case_no is not null
                then coalesce(
                    cases.org_unit_id, followed_units.assigned_unit_id, top_unit.org_unit_id
                )
        end as org_unit_id,
        followed_units.holder_unit_id,
        cast(null as string) as channel,
        cast(null as string) as kind,
        cast(null as string) as category_path,
        cast(null as string) as customer_id,
        cast(null as string) as reporter_key,
        cast(null as string) as urgency,
        cast(null as string) as status,
        cast(null as integer) as score,
        cast(null as timestamp) as promised_due_at,
        cast(null as string) as date_flag,
        cast(null as string) as attributes
    from followed_units
    left join cases
        on followed_units.case_no = cases.case_no
    cross join top_unit
),

final as (
    select * from created
    union all
    select * from followed
)

select * from final
