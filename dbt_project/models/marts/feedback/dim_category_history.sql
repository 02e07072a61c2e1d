with

versions as (
    select * from {{ ref('int_feedback__category_place') }}
),

places as (
    select distinct
        source,
        place_path as path
    from versions
),

nodes as (
    {{ path_prefixes('places') }}
),

final as (
    select
        {{ surrogate_key(['versions.source', 'versions.path']) }} as category_id,
        versions.valid_from,
        versions.valid_to,
        case
            when nodes.parent_path is not null
                then {{ surrogate_key(['nodes.source', 'nodes.parent_path']) }}
        end as parent_id,
        versions.source,
        versions.path as told_path,
        nodes.path,
        nodes.name,
        nodes.depth,
        {{ list_part('nodes.parts', 1) }} as l1_name,
        {{ list_part('nodes.parts', 2) }} as l2_name,
        {{ list_part('nodes.parts', 3) }} as l3_name
    from versions
    inner join nodes
        on versions.source = nodes.source and versions.place_path = nodes.path
)

select * from final
