{#-
    The local time from which a row of a rule table is known or valid: the beginning of a day, the
    last day of a month, or a time. An empty text always was.
-#}
{% macro announced_at(text) -%}
    case
        when {{ text }} is null then timestamp '1900-01-01'
        when length({{ text }}) = 7
            then cast(last_day(cast(concat({{ text }}, '-01') as date)) as timestamp)
        else cast({{ text }} as timestamp)
    end
{%- endmacro %}


{#- The operator's local time up to which this build knows what was announced. -#}
{% macro known_until() -%}
    (
        select {{ local_time('least(as_of, coalesce(known_at, as_of))', 'zone') }}
        from {{ source('build', 'build') }}
    )
{%- endmacro %}


{#- The interval from midnight to a time of day such as '09:00', up to '24:00'. -#}
{% macro time_of_day(text) -%}
    cast(split_part({{ text }}, ':', 1) as integer) * interval 1 hour
    + cast(split_part({{ text }}, ':', 2) as integer) * interval 1 minute
{%- endmacro %}
