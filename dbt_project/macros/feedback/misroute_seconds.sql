{#-
    How long a unit may hold a case without work before passing it on and still be a wrong address
    (seconds of the clock): its time then counts as the sender's.
-#}
{% macro misroute_seconds() -%}
    14400
{%- endmacro %}
