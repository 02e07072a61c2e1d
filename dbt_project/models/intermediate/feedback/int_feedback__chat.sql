with

messages as (
    select
        *,
        row_number() over (
            partition by case_no order by sent_at asc nulls last, message_id asc
        ) as place
    from {{ ref('stg_chat__messages') }}
),

openings as (
    select
        case_no,
        min(place) as place
    from messages
    where sender_role = 'customer'
    group by case_no
),

-- A session in which the customer wrote nothing is no case.
in_cases as (
    select
        messages.*,
        messages.place = openings.place as is_opening
    from messages
    inner join openings
        on messages.case_no = openings.case_no
),

written as (
    select
        {{ event_columns({
            'event_id': "case when is_opening then case_no || ':created' else message_id end",
            'source': "'chat'",
            'source_seq': "case when is_opening then 0 else 1 end",
            'case_no': "case_no",
            'event_type': "case when is_opening then 'created' "
                "when sender_role = 'customer' then 'reporter_message' else 'public_reply' end",
            'event_at': "sent_at",
            'event_precision': "'second'",
            'recorded_at': "recorded_at",
            'batch_id': "batch_id",
            'actor_id': "case when sender_role = 'agent' then agent_id end",
            'actor_role': "case sender_role when 'customer' then 'reporter' "
                "when 'agent' then 'agent' else 'system' end",
            'is_automatic': "sender_role = 'robot'",
            'org_unit_id': "org_unit_id",
            'channel': "case when is_opening then 'chat' end",
            'kind': "case when is_opening then 'inquiry' end",
            'customer_id': "customer_id",
            'reporter_key': "case when is_opening then reporter_key end",
        }) }}
    from in_cases
),

ended as (
    select
        case_no,
        max_by(agent_id, place) filter (where sender_role = 'agent' and agent_id is not null)
            as agent_id,
        max_by(sent_at, place) filter (where is_last) as ended_at,
        max_by(org_unit_id, place) filter (where is_last) as org_unit_id,
        max_by(recorded_at, place) filter (where is_last) as recorded_at,
        max_by(batch_id, place) filter (where is_last) as batch_id,
        count(*) filter (where sender_role = 'agent') > 0 as is_answered
    from in_cases
    group by case_no
),

endings as (
    select
        {{ event_columns({
            'event_id': "case_no || ':resolved'",
            'source': "'chat'",
            'source_seq': "2",
            'case_no': "case_no",
            'event_type': "'resolved'",
            'event_at': "ended_at",
            'event_precision': "'second'",
            'recorded_at': "recorded_at",
            'batch_id': "batch_id",
            'actor_id': "agent_id",
            'actor_role': "'agent'",
            'is_automatic': "false",
            'org_unit_id': "org_unit_id",
        }) }}
    from ended
    where ended_at is not null and is_answered
    union all
    select
        {{ event_columns({
            'event_id': "case_no || ':closed'",
            'source': "'chat'",
            'source_seq': "3",
            'case_no': "case_no",
            'event_type': "'closed'",
            'event_at': "ended_at",
            'event_precision': "'second'",
            'recorded_at': "recorded_at",
            'batch_id': "batch_id",
            'actor_role': "'system'",
            'is_automatic': "true",
            'org_unit_id': "org_unit_id",
        }) }}
    from ended
    where ended_at is not null
),

final as (
    select * from written
    union all
    select * from endings
)

select * from final
