{#- A select of the business dates of a stream that the batches of this build change. -#}
{% macro touched_days(source_name, stream) -%}
    select business_date
    from {{ source('build', 'touched_day') }}
    where source = '{{ source_name }}' and stream = '{{ stream }}'
{%- endmacro %}


{#-
    Hook of an incremental fact by day: takes out the touched days before they are written anew,
    so that a day whose last batch is gone vanishes too. A record that moved to another day is gone
    from its old one because the build touches the days of all its versions.
-#}
{% macro delete_touched_days(source_name, stream, day_column) -%}
    {% if is_incremental() -%}
        delete from {{ this }} where {{ day_column }} in ({{ touched_days(source_name, stream) }})
    {%- endif %}
{%- endmacro %}


{#-
    A select of the last version of each key (see latest_version); an incremental run gives only
    those that lie on a touched day. All versions of a key compete, on whatever day they lie, but
    only keys that have one on a touched day are read, so that the cost is that of the touched days.
-#}
{% macro latest_on_touched_days(relation, key, day_column, source_name, stream) -%}
    {% if is_incremental() -%}
        {%- set competing -%}
            (
                select *
                from {{ relation }}
                where {{ key }} in (
                    select {{ key }}
                    from {{ relation }}
                    where {{ day_column }} in ({{ touched_days(source_name, stream) }})
                )
            )
        {%- endset -%}
        select *
        from ({{ latest_version(competing, [key]) }})
        where {{ day_column }} in ({{ touched_days(source_name, stream) }})
    {%- else -%}
        {{ latest_version(relation, [key]) }}
    {%- endif %}
{%- endmacro %}


{#- Hook of an incremental fact by case: takes out the cases of `scope` (source, case_no). -#}
{% macro delete_cases(scope) -%}
    {% if is_incremental() -%}
        delete from {{ this }}
        where (source, case_no) in (select (source, case_no) from {{ scope }})
    {%- endif %}
{%- endmacro %}
