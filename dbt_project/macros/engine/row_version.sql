{#-
    A select of every version of each key of a raw stream as the `columns` tell it: the key, the
    columns, is_removed, valid_from, valid_to (half-open dates). Versions of a key follow each other
    without a gap from 1900-01-01 to 9999-12-31; equal neighbours are one version, and of several of
    one date the last counts.
    A version begins on the business date of its delivery where the source tells one (files), else
    on the local date it was recorded. A removal tells nothing of what it removes, so what was told
    last stands on, marked is_removed.
    Only keys delivered more than once are sorted, so the cost is that of the changes.
    zone: an expression of the zone whose dates the source speaks of.
-#}
{% macro row_versions(relation, key, columns, zone) -%}
    with

    repeated as (
        select {{ key }}
        from {{ relation }}
        group by {{ key }}
        having count(*) > 1
    ),

    told as (
        select
            delivered.{{ key }},
            {%- for column in columns %}
            delivered.{{ column }},
            {%- endfor %}
            delivered._op is not distinct from 'D' as is_removed,
            coalesce(
                case when deliveries.sequence is not null then deliveries.business_date end,
                {{ local_date('delivered._recorded_at', zone) }}
            ) as told_on,
            row_number() over (
                partition by delivered.{{ key }}
                order by {{ version_order('asc nulls first') }}
            ) as version_no
        from {{ relation }} as delivered
        semi join repeated
            on delivered.{{ key }} = repeated.{{ key }}
        left join {{ source('build', 'batch') }} as deliveries
            on delivered._batch_id = deliveries.batch_id
    ),

    -- A source that changed from tables to files may tell earlier dates than before; what was told
    -- later still counts later.
    dated as (
        select
            {{ key }},
            version_no,
            is_removed,
            max(told_on) over versions as begins_on,
            max(case when not is_removed then version_no end) over versions as standing_no
        from told
        window versions as (
            partition by {{ key }} order by version_no rows unbounded preceding
        )
    ),

    last_of_day as (
        select *
        from dated
        where standing_no is not null
        qualify
            lead(begins_on) over (partition by {{ key }} order by version_no)
            is distinct from begins_on
    ),

    standing as (
        select
            last_of_day.{{ key }},
            {%- for column in columns %}
            told.{{ column }},
            {%- endfor %}
            last_of_day.is_removed,
            last_of_day.begins_on,
            last_of_day.version_no
        from last_of_day
        inner join told
            on
                last_of_day.{{ key }} = told.{{ key }}
                and last_of_day.standing_no = told.version_no
    ),

    changed as (
        select *
        from standing
        window versions as (partition by {{ key }} order by version_no)
        qualify
            lag(version_no) over versions is null
            or is_removed is distinct from lag(is_removed) over versions
            {%- for column in columns %}
            or {{ column }} is distinct from lag({{ column }}) over versions
            {%- endfor %}
    )

    select
        {{ key }},
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        is_removed,
        case
            when lag(version_no) over versions is null then date '1900-01-01'
            else begins_on
        end as valid_from,
        coalesce(lead(begins_on) over versions, date '9999-12-31') as valid_to
    from changed
    window versions as (partition by {{ key }} order by version_no)
    union all
    select
        delivered.{{ key }},
        {%- for column in columns %}
        delivered.{{ column }},
        {%- endfor %}
        false,
        date '1900-01-01',
        date '9999-12-31'
    from {{ relation }} as delivered
    anti join repeated
        on delivered.{{ key }} = repeated.{{ key }}
    where delivered._op is distinct from 'D'
{%- endmacro %}
