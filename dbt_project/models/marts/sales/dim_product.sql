with

products as (
    select * from {{ ref('stg_hall__products') }}
),

final as (
    select
        product_id,
        name,
        name_en,
        family
    from products
)

select * from final
