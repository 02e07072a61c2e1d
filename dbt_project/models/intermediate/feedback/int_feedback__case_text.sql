with

hotline as (
    select
        'hotline' as source,
        case_no,
        text
    from {{ ref('stg_hotline__cases') }}
),

intake as (
    select
        'intake' as source,
        case_no,
        text
    from {{ ref('stg_intake__cases') }}
),

mail as (
    select
        'mail' as source,
        case_no,
        nullif(concat_ws(' | ', subject, text), '') as text
    from {{ ref('int_feedback__mail_thread') }}
    where place = 1
),

letters as (
    select
        'letters' as source,
        case_no,
        text
    from {{ ref('stg_letters__letters') }}
),

wechat as (
    select
        'wechat' as source,
        case_no,
        text
    from {{ ref('stg_wechat__submissions') }}
),

-- What the customer wrote, in its order.
chat as (
    select
        'chat' as source,
        case_no,
        string_agg(text, ' | ' order by sent_at, message_id) as text
    from {{ ref('stg_chat__messages') }}
    where sender_role = 'customer'
    group by case_no
),

flat as (
    select
        source,
        case_no,
        text
    from {{ ref('stg_flat__cases') }}
),

final as (
    select * from hotline
    union all
    select * from intake
    union all
    select * from mail
    union all
    select * from letters
    union all
    select * from wechat
    union all
    select * from chat
    union all
    select * from flat
)

select * from final where text is not null
