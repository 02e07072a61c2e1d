with

mentions as (
    {{ latest_version(source('monitoring', 'mentions'), ['mention_no']) }}
),

final as (
    select
        mention_no as mention_id,
        site,
        author as author_key,
        published_at,
        _business_date as published_on,
        seen_at,
        unit_code as org_unit_id,
        category_path,
        sentiment,
        reach,
        _branch as source_branch
    from mentions
)

select * from final
