{#-
    A select of every prefix of paths such as 'A/B/C', once per source: source, path, name (last
    part), depth (from 1), parent_path (null for the first part), parts (list of the names).
    paths: relation with source and path.
-#}
{% macro path_prefixes(paths) -%}
    select distinct
        source,
        array_to_string(parts, '/') as path,
        {{ list_part('parts', 'depth') }} as name,
        depth,
        case when depth > 1 then array_to_string(parts[1:depth - 1], '/') end as parent_path,
        parts
    from (
        select
            source,
            string_split(path, '/')[1:depth] as parts,
            cast(depth as integer) as depth
        from (
            select
                source,
                path,
                unnest(generate_series(1, len(string_split(path, '/')))) as depth
            from {{ paths }}
        )
    )
{%- endmacro %}
