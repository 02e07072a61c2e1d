{#-
    Working seconds are numbered once per timeline (see int_time__timeline), from its first interval
    on: a position. Elapsed working time between two instants is the difference of their positions.

    Instants are looked up by their UTC day among the few pieces that touch it, which a hash join
    does in a third of the time of an as-of join; no row is repeated.
-#}

{#-
    A left join that finds the piece of an instant for working_position.
    timeline: expression of the timeline's number; at: expression of the instant (naive UTC).
-#}
{% macro join_position(pieces, alias, timeline, at) -%}
    left join {{ pieces }} as {{ alias }}
        on
            {{ timeline }} = {{ alias }}.timeline_no
            and cast({{ at }} as date) = {{ alias }}.bucket_on
            and {{ at }} >= {{ alias }}.from_at
            and {{ at }} < {{ alias }}.to_at
{%- endmacro %}


{#- The position of an instant whose piece was joined; null where the calendar does not reach. -#}
{% macro working_position(alias, at) -%}
    cast(
        {{ alias }}.base_s
        + least({{ alias }}.seconds, {{ seconds_between(alias ~ '.from_at', at) }}) as bigint
    )
{%- endmacro %}
