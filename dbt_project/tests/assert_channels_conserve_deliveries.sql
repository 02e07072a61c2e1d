-- Every letter, submission, reply, chat message and mail that somebody wrote is one event, and
-- every thread and session one case, however many messages it has.
with

delivered as (
    select
        'mail' as source,
        count(*) as event_count,
        count(distinct case_no) as case_count
    from {{ ref('stg_mail__messages') }}
    where not is_automatic
    union all
    select
        'letters',
        count(*) + count(answered_on),
        count(*)
    from {{ ref('stg_letters__letters') }}
    union all
    select
        'wechat',
        (select count(*) from {{ ref('stg_wechat__replies') }}) + count(*),
        count(*)
    from {{ ref('stg_wechat__submissions') }}
    union all
    select
        'chat',
        sum(messages + cast(is_ended as integer) + cast(is_ended and is_answered as integer)),
        count(*)
    from (
        select
            count(*) as messages,
            bool_or(is_last) as is_ended,
            bool_or(sender_role = 'agent') as is_answered
        from {{ ref('stg_chat__messages') }}
        group by case_no
        having bool_or(sender_role = 'customer')
    )
),

stored as (
    select
        source,
        count(*) as event_count,
        count(*) filter (where event_type = 'created') as case_count
    from {{ ref('fct_feedback_event') }}
    group by source
),

final as (
    select
        delivered.source,
        delivered.event_count as delivered_events,
        stored.event_count as stored_events,
        delivered.case_count as delivered_cases,
        stored.case_count as stored_cases
    from delivered
    left join stored
        on delivered.source = stored.source
    where
        coalesce(delivered.event_count, 0) <> coalesce(stored.event_count, 0)
        or coalesce(delivered.case_count, 0) <> coalesce(stored.case_count, 0)
)

select * from final
