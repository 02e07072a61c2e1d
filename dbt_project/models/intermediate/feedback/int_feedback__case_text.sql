with

hotline as (
    select
        'hotline' as source,
        case_no,
        text
    from {{ ref('stg_hotline__cases') }}
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
    select * from flat
)

select * from final where text is not null
