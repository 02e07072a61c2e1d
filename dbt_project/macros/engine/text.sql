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


{#- Whether a text list such as 'a;b' names a value; false for a null list, null for a null value. -#}
{% macro list_names(list, value) -%}
    contains(concat(';', coalesce({{ list }}, ''), ';'), ';' || {{ value }} || ';')
{%- endmacro %}


{#- Whether a path such as 'A/B/C' lies at or below another one such as 'A/B'. -#}
{% macro path_within(path, above) -%}
    starts_with(concat({{ path }}, '/'), concat({{ above }}, '/'))
{%- endmacro %}


{#- An expression of a select list that repeats its row for every part of a list such as 'a;b'. -#}
{% macro each_part(list) -%}
    unnest(string_split({{ list }}, ';'))
{%- endmacro %}


{#- The smallest number of a text list such as '0.8;0.9'; null for a null list. -#}
{% macro smallest_part(list) -%}
    cast(
        list_min(
            list_transform(string_split({{ list }}, ';'), lambda part: try_cast(part as double))
        ) as double
    )
{%- endmacro %}
