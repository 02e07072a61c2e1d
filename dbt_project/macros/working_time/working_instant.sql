{#- Working seconds of one bucket of int_time__due_piece. -#}
{% macro due_bucket_seconds() -%}
    28800
{%- endmacro %}


{#-
    A left join that finds the working interval in which a position is reached. The end of an
    interval belongs to it and its start does not, so an exact position lands on the end of a
    working interval (18:00 today, not 09:00 tomorrow).
-#}
{% macro join_instant(pieces, alias, timeline, position) -%}
    left join {{ pieces }} as {{ alias }}
        on
            {{ timeline }} = {{ alias }}.timeline_no
            and {{ position }} // {{ due_bucket_seconds() }} = {{ alias }}.bucket_no
            and {{ position }} > {{ alias }}.after_s
            and {{ position }} <= {{ alias }}.after_s + {{ alias }}.seconds
{%- endmacro %}


{#- The first instant (naive UTC) at which a position is reached, its interval joined before. -#}
{% macro working_instant(alias, position) -%}
    {{ alias }}.starts_at + ({{ position }} - {{ alias }}.after_s) * interval 1 second
{%- endmacro %}
