{#- How many rows of a relation break a promise by a condition, as one row; see is_sound. -#}
{% macro broken_promise(fault, relation, condition) -%}
select '{{ fault }}' as fault, count(*) as row_count from {{ relation }} where {{ condition }}
{%- endmacro %}
