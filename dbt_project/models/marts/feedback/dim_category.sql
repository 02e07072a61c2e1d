with

events as (
    select * from {{ ref('fct_feedback_event') }}
),

mentions as (
    select * from {{ ref('fct_mention') }}
),

paths as (
    select
        source,
        category_path as path
    from events
    where category_path is not null
    union
    select
        'monitoring',
        category_path
    from mentions
    where category_path is not null
),

prefixes as (
    {{ path_prefixes('paths') }}
),

final as (
    select
        {{ surrogate_key(['source', 'path']) }} as category_id,
        case when parent_path is not null then {{ surrogate_key(['source', 'parent_path']) }} end
            as parent_id,
        source,
        path,
        name,
        depth,
        {{ list_part('parts', 1) }} as l1_name,
        {{ list_part('parts', 2) }} as l2_name,
        {{ list_part('parts', 3) }} as l3_name
    from prefixes
)

select * from final
