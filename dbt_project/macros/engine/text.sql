{#- Whether a regular expression is found in a text; null for a null text. -#}
{% macro text_matches(text, pattern) -%}
    regexp_matches({{ text }}, '{{ pattern }}')
{%- endmacro %}


{#- The n-th part (from 1) of a list; null past its end. -#}
{% macro list_part(list, n) -%}
    {{ list }}[{{ n }}]
{%- endmacro %}


{#- The date that a text spells in a strptime format; null where it spells none. -#}
{% macro date_of_text(text, format) -%}
    cast(try_strptime({{ text }}, '{{ format }}') as date)
{%- endmacro %}


{#- A JSON object as text of the names and expressions given, without nulls; null when all are. -#}
{% macro json_text(values) -%}
    nullif(
        cast(
            json_merge_patch(
                '{}',
                json_object(
                    {%- for name, value in values.items() -%}
                        '{{ name }}', {{ value }}{{ ", " if not loop.last }}
                    {%- endfor -%}
                )
            ) as string
        ),
        '{}'
    )
{%- endmacro %}
