{#- Day of the week of a date, 1 = Monday. -#}
{% macro iso_weekday(date_on) -%}
    isodow({{ date_on }})
{%- endmacro %}
