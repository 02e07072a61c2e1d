{#- A select of every date from `first_on` to `last_on`, both included, as `date_on`. -#}
{% macro day_spine(first_on, last_on) -%}
    select {{ each_day(first_on, last_on) }} as date_on
{%- endmacro %}


{#-
    An expression of a select list that repeats its row for every date from `first_on` to
    `last_on`, both included; no row where `last_on` comes first or either is null.
-#}
{% macro each_day(first_on, last_on) -%}
    cast(
        unnest(
            generate_series(
                cast({{ first_on }} as timestamp), cast({{ last_on }} as timestamp), interval 1 day
            )
        ) as date
    )
{%- endmacro %}


{#- As each_day, for the first day of every month from that of `first_on` to that of `last_on`. -#}
{% macro each_month(first_on, last_on) -%}
    cast(
        unnest(
            generate_series(
                cast(date_trunc('month', {{ first_on }}) as timestamp),
                cast(date_trunc('month', {{ last_on }}) as timestamp),
                interval 1 month
            )
        ) as date
    )
{%- endmacro %}


{#- As each_day, for every whole number from one to another, both included. -#}
{% macro each_number(first_number, last_number) -%}
    unnest(generate_series({{ first_number }}, {{ last_number }}))
{%- endmacro %}


{#- As each_day, for every minute from one time to another, both included. -#}
{% macro each_minute(first_at, last_at) -%}
    unnest(generate_series({{ first_at }}, {{ last_at }}, interval 1 minute))
{%- endmacro %}
