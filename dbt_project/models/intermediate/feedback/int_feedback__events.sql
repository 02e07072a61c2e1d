with

hotline as (
    select * from {{ ref('int_feedback__hotline') }}
),

intake as (
    select * from {{ ref('int_feedback__intake') }}
),

mail as (
    select * from {{ ref('int_feedback__mail') }}
),

letters as (
    select * from {{ ref('int_feedback__letters') }}
),

wechat as (
    select * from {{ ref('int_feedback__wechat') }}
),

chat as (
    select * from {{ ref('int_feedback__chat') }}
),

flat as (
    select * from {{ ref('int_feedback__flat') }}
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

select * from final
