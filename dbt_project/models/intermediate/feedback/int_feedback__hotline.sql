with

cases as (
    select * from {{ ref('stg_hotline__cases') }}
),

events as (
    select * from {{ ref('stg_hotline__events') }}
),

created as (
    select
        {{ event_columns({
            'event_id': "case_no || ':created'",
            'source': "'hotline'",
            'source_seq': "0",
            'case_no': "case_no",
            'event_type': "'created'",
            'event_at': "created_at",
            'event_precision': "'second'",
            'recorded_at': "recorded_at",
            'batch_id': "batch_id",
            'actor_role': "'reporter'",
            'is_automatic': "false",
            'org_unit_id': "org_unit_id",
            'channel': "channel",
            'kind': "kind",
            'category_path': "category_path",
            'customer_id': "customer_id",
            'reporter_key': "reporter_key",
            'urgency': "urgency",
            'attributes': "attributes",
        }) }}
    from cases
),

followed as (
    select
        {{ event_columns({
            'event_id': "events.event_id",
            'source': "'hotline'",
            'source_seq': "1",
            'case_no': "events.case_no",
            'event_type': "events.event_type",
            'event_at': "events.event_at",
            'event_precision': "'second'",
            'recorded_at': "events.recorded_at",
            'batch_id': "events.batch_id",
            'actor_id': "events.actor_id",
            'actor_role': "events.actor_role",
            'is_automatic': "events.is_automatic",
            'org_unit_id': "cases.org_unit_id",
            'holder_unit_id': "events.holder_unit_id",
            'holder_id': "events.holder_id",
            'partner_id': "events.partner_id",
            'other_case_no': "events.other_case_no",
            'kind': "events.kind",
            'category_path': "events.category_path",
            'priority': "events.priority",
            'status': "events.status",
            'limit_at': "events.limit_at",
            'score': "events.score",
            'attributes': "events.attributes",
        }) }}
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
