with

kinds as (
    select * from {{ ref('kind') }}
),

final as (
    select
        kind,
        label_zh,
        label_en,
        is_complaint
    from kinds
)

select * from final
