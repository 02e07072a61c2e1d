with

mails as (
    select
        *,
        place = 1 as is_opening
    from {{ ref('int_feedback__mail_thread') }}
),

words as (
    select * from {{ ref('source_code') }}
    where source = 'mail'
),

top_unit as (
    select * from {{ ref('int_org__top_unit') }}
),

told_kinds as (
    select
        mails.message_id,
        words.value as kind
    from mails
    inner join words
        on words.list = 'subject_word' and contains(lower(mails.subject), words.code)
    where mails.is_opening
    qualify
        row_number() over (
            partition by mails.message_id
            order by instr(lower(mails.subject), words.code), words.ordinal
        ) = 1
),

-- A word of ours in the subject of an answer says that the matter is done.
endings as (
    select distinct mails.message_id
    from mails
    inner join words
        on words.list = 'answer_word' and contains(lower(mails.subject), words.code)
    where not mails.is_opening and not mails.is_from_outside
),

final as (
    select
        {{ event_columns({
            'event_id': "case when mails.is_opening then mails.case_no || ':created' "
                "else mails.message_id end",
            'source': "'mail'",
            'source_seq': "case when mails.is_opening then 0 else 1 end",
            'case_no': "mails.case_no",
            'event_type': "case when mails.is_opening then 'created' "
                "when mails.is_from_outside then 'reporter_message' "
                "when endings.message_id is not null then 'resolved' else 'public_reply' end",
            'event_at': "mails.received_at",
            'event_precision': "'second'",
            'recorded_at': "mails.recorded_at",
            'batch_id': "mails.batch_id",
            'actor_role': "case when mails.is_from_outside then 'reporter' else 'agent' end",
            'is_automatic': "false",
            'org_unit_id': "top_unit.org_unit_id",
            'channel': "case when mails.is_opening then 'email' end",
            'kind': "case when mails.is_opening then coalesce(told_kinds.kind, 'opinion') end",
            'reporter_key': "case when mails.is_opening then mails.sender_key end",
            'attributes': json_text({
                'attachment_count': 'nullif(mails.attachment_count, 0)',
                'attachment_kinds': 'mails.attachment_kinds',
            }),
        }) }}
    from mails
    left join told_kinds
        on mails.message_id = told_kinds.message_id
    left join endings
        on mails.message_id = endings.message_id
    cross join top_unit
)

select * from final
