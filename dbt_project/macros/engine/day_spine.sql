{#- A select of every date from `first_on` to `last_on`, both included, as `date_on`. -#}
{% macro day_spine(first_on, last_on) -%}
    select cast(day_at as date) as date_on
    from (
        select unnest(
            generate_series(
                cast({{ first_on }} as timestamp), cast({{ last_on }} as timestamp), interval 1 day
            )
        ) as day_at
    )
{%- endmacro %}
