with

cases as (
    select * from {{ ref('stg_intake__cases') }}
),

events as (
    select * from {{ ref('stg_intake__events') }}
),

-- A case without a unit is seen at the top until it is assigned; with several tops nobody knows.
top_unit as (
    select * from {{ ref('int_org__top_unit') }}
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
        {{ event_columns({
            'event_id': "cases.case_no || ':created'",
            'source': "'intake'",
            'source_seq': "0",
            'case_no': "cases.case_no",
            'event_type': "'created'",
            'event_at': "cases.created_at",
            'event_precision': "cases.created_precision",
            'recorded_at': "cases.recorded_at",
            'source_recorded_at': "cases.recorded_at",
            'batch_id': "cases.batch_id",
            'actor_role': "'reporter'",
            'is_automatic': "false",
            'org_unit_id': "coalesce(cases.org_unit_id, top_unit.org_unit_id)",
            'channel': "cases.channel",
            'kind': "cases.kind",
            'category_path': "cases.category_path",
            'reporter_key': "cases.reporter_key",
            'promised_due_at': "cases.promised_due_at",
            'attributes': "cases.attributes",
        }) }}
    from cases
    cross join top_unit
),

followed as (
    select
        {{ event_columns({
            'event_id': "followed_units.event_id",
            'source': "'intake'",
            'source_seq': "followed_units.source_seq",
            'case_no': "followed_units.case_no",
            'event_type': "followed_units.event_type",
            'event_at': "followed_units.event_at",
            'event_precision': "'second'",
            'recorded_at': "followed_units.recorded_at",
            'source_recorded_at': "followed_units.recorded_at",
            'batch_id': "followed_units.batch_id",
            'actor_id': "followed_units.actor_id",
            'actor_role': "followed_units.actor_role",
            'is_automatic': "false",
            'org_unit_id':
                "case when cases.case_no is not null then coalesce("
                "cases.org_unit_id, followed_units.assigned_unit_id, top_unit.org_unit_id) end",
            'holder_unit_id': "followed_units.holder_unit_id",
        }) }}
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
