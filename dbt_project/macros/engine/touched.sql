{#- A select of the business dates of a stream that the batches of this build change. -#}
{% macro touched_days(source_name, stream) -%}
    select business_date
    from {{ source('build', 'touched_day') }}
    where source = '{{ source_name }}' and stream = '{{ stream }}'
{%- endmacro %}


{#-
    Hook of an incremental fact by day: takes out the touched days before they are written anew,
    so that a day whose last batch is gone vanishes too.
-#}
{% macro delete_touched_days(source_name, stream, day_column) -%}
    {% if is_incremental() -%}
        delete from {{ this }} where {{ day_column }} in ({{ touched_days(source_name, stream) }})
    {%- endif %}
{%- endmacro %}


{#-
    Hook of an incremental fact of a stream whose rows change: also takes out the rows whose new
    version lies on another day.
-#}
{% macro delete_touched_rows(source_name, stream, day_column, key_column, raw_key) -%}
    {% if is_incremental() -%}
        delete from {{ this }}
        where
            {{ day_column }} in ({{ touched_days(source_name, stream) }})
            or {{ key_column }} in (
                select {{ raw_key }}
                from {{ source(source_name, stream) }}
                where _business_date in ({{ touched_days(source_name, stream) }})
            )
    {%- endif %}
{%- endmacro %}


{#- Hook of an incremental fact by case: takes out the cases of `scope` (source, case_no). -#}
{% macro delete_cases(scope) -%}
    {% if is_incremental() -%}
        delete from {{ this }}
        where (source, case_no) in (select (source, case_no) from {{ scope }})
    {%- endif %}
{%- endmacro %}
