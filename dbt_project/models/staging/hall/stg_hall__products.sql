with

products as (
    {{ latest_version(source('hall', 'products'), ['product_code']) }}
),

final as (
    select
        product_code as product_id,
        product_name as name,
        coalesce(product_name_en, product_name) as name_en,
        family
    from products
)

select * from final
