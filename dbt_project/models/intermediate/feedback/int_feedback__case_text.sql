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
    select * from flat
)

select * from final where text is not null
