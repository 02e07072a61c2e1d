{#- Whole seconds from one instant to another (bigint, negative when the second is earlier). -#}
{% macro seconds_between(from_at, to_at) -%}
    cast(date_diff('second', {{ from_at }}, {{ to_at }}) as bigint)
{%- endmacro %}


{#- Whole days from one date to another (bigint, negative when the second is earlier). -#}
{% macro days_between(from_on, to_on) -%}
    cast(date_diff('day', {{ from_on }}, {{ to_on }}) as bigint)
{%- endmacro %}
