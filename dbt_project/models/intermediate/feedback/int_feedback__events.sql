with

hotline as (
    select * from {{ ref('int_feedback__hotline') }}
),

intake as (
    select * from {{ ref('int_feedback__intake') }}
),

flat as (
    select * from {{ ref('int_feedback__flat') }}
),

final as (
    select * from hotline
    union all
    select * from intake
    union all
    select * from flat
)

select * from final
