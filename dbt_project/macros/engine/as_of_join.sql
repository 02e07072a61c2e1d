{#-
    Joins to each row of `left_name` the last row of `right_name` that starts at or before it.
    Keep it in a statement of its own: an as-of join mixed with others can run for minutes.
    equal: columns that must be equal on both sides; right_at must be unique among them.
-#}
{% macro as_of_join(left_name, right_name, equal, left_at, right_at) -%}
    {{ left_name }}
    asof left join {{ right_name }}
        on
        {%- for column in equal %}
            {{ left_name }}.{{ column }} = {{ right_name }}.{{ column }} and
        {%- endfor %}
            {{ left_name }}.{{ left_at }} >= {{ right_name }}.{{ right_at }}
{%- endmacro %}
