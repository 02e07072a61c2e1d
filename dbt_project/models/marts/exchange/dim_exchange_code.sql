with

codes as (
    select * from {{ source('build', 'exchange_code') }}
),

final as (
    select
        code,
        label_zh,
        label_en,
        hint_zh,
        hint_en,
        severity
    from codes
)

select * from final
