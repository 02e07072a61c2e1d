with

letters as (
    select * from {{ ref('stg_letters__letters') }}
),

created as (
    select
        {{ event_columns({
            'event_id': "case_no || ':created'",
            'source': "'letters'",
            'source_seq': "0",
            'case_no': "case_no",
            'event_type': "'created'",
            'event_at': instant_of('cast(received_on as timestamp)', zone_of('letters')),
            'event_precision': "'day'",
            'recorded_at': "recorded_at",
            'source_recorded_at':
                instant_of('cast(registered_on as timestamp)', zone_of('letters')),
            'batch_id': "batch_id",
            'actor_role': "'reporter'",
            'is_automatic': "false",
            'org_unit_id': "org_unit_id",
            'channel': "'letter'",
            'kind': "kind",
            'category_path': "category_path",
            'reporter_key': "reporter_key",
            'attributes': "attributes",
        }) }}
    from letters
),

answered as (
    select
        {{ event_columns({
            'event_id': "case_no || ':resolved'",
            'source': "'letters'",
            'source_seq': "1",
            'case_no': "case_no",
            'event_type': "'resolved'",
            'event_at': instant_of('cast(answered_on as timestamp)', zone_of('letters')),
            'event_precision': "'day'",
            'recorded_at': "recorded_at",
            'batch_id': "batch_id",
            'actor_id': "registrar_id",
            'actor_role': "'handler'",
            'is_automatic': "false",
            'org_unit_id': "org_unit_id",
        }) }}
    from letters
    where answered_on is not null
),

final as (
    select * from created
    union all
    select * from answered
)

select * from final
