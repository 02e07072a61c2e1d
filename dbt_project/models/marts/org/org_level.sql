with

levels as (
    select * from {{ source('build', 'org_level') }}
),

final as (
    select
        level,
        name,
        label_zh,
        label_en
    from levels
)

select * from final
