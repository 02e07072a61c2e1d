with

submissions as (
    select * from {{ ref('stg_wechat__submissions') }}
),

replies as (
    select
        *,
        event_type = 'public_reply' and actor_id is null as is_automatic
    from {{ ref('stg_wechat__replies') }}
),

created as (
    select
        {{ event_columns({
            'event_id': "case_no || ':created'",
            'source': "'wechat'",
            'source_seq': "0",
            'case_no': "case_no",
            'event_type': "'created'",
            'event_at': "submitted_at",
            'event_precision': "'second'",
            'recorded_at': "recorded_at",
            'batch_id': "batch_id",
            'actor_role': "'reporter'",
            'is_automatic': "false",
            'org_unit_id': "org_unit_id",
            'channel': "'wechat'",
            'kind': "kind",
            'category_path': "category_path",
            'customer_id': "customer_id",
            'reporter_key': "reporter_key",
            'attributes': "attributes",
        }) }}
    from submissions
),

followed as (
    select
        {{ event_columns({
            'event_id': "replies.event_id",
            'source': "'wechat'",
            'source_seq': "1",
            'case_no': "replies.case_no",
            'event_type': "replies.event_type",
            'event_at': "replies.replied_at",
            'event_precision': "'second'",
            'recorded_at': "replies.recorded_at",
            'batch_id': "replies.batch_id",
            'actor_id': "replies.actor_id",
            'actor_role': "case when replies.event_type = 'voted' then 'reporter' "
                "when replies.is_automatic then 'system' else 'handler' end",
            'is_automatic': "replies.is_automatic",
            'org_unit_id': "submissions.org_unit_id",
            'score': "replies.score",
            'attributes': "replies.attributes",
        }) }}
    from replies
    left join submissions
        on replies.case_no = submissions.case_no
),

final as (
    select * from created
    union all
    select * from followed
)

select * from final
