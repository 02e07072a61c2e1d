with

versions as (
    select * from {{ ref('dim_category_history') }}
),

final as (
    select
        category_id,
        parent_id,
        source,
        told_path,
        path,
        name,
        depth,
        l1_name,
        l2_name,
        l3_name
    from versions
    where {{ business_date() }} >= valid_from and {{ business_date() }} < valid_to
)

select * from final
