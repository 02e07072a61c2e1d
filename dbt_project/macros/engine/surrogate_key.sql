{#-
    md5 of the parts joined by '|'; a null part counts as empty text.
    Only the last part may contain '|' itself, so the longest business id stands last.
-#}
{% macro surrogate_key(parts) -%}
    md5(
        {%- for part in parts -%}
            coalesce(cast({{ part }} as string), ''){{ " || '|' || " if not loop.last }}
        {%- endfor -%}
    )
{%- endmacro %}
