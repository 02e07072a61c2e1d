{#- Whether a case of this status is done with: the statuses in which nobody has to act any more. -#}
{% macro is_ended(status) -%}
    {{ status }} in ('resolved', 'closed', 'rejected', 'withdrawn')
{%- endmacro %}
