{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_touched_days('monitoring', 'mentions', day_column='published_on') }}"
) }}

with

mentions as (
    select * from {{ ref('stg_monitoring__mentions') }}
    {% if is_incremental() -%}
    where published_on in ({{ touched_days('monitoring', 'mentions') }})
    {%- endif %}
),

final as (
    select
        mention_id,
        source_branch,
        site,
        author_key,
        org_unit_id,
        category_path,
        case
            when category_path is not null
                then {{ surrogate_key(["'monitoring'", 'category_path']) }}
        end as category_id,
        sentiment,
        reach,
        published_at,
        published_on,
        seen_at,
        {{ seconds_between('published_at', 'seen_at') }} as seen_after_s
    from mentions
)

select * from final
