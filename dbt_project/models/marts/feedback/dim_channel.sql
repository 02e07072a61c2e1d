with

channels as (
    select * from {{ ref('channel') }}
),

final as (
    select
        channel_id,
        label_zh,
        label_en
    from channels
)

select * from final
