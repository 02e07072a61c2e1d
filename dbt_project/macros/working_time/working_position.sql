{#-
    A select that gives each instant its place on the working clock of its calendar and zone:
    `working_position_s`, the working seconds from the calendar's start to the instant. Working
    seconds between two instants are the difference of their positions. Null before the first
    interval of the calendar.
    points: relation with calendar_id, zone, and the instant `at`; its columns are kept.
-#}
{% macro working_position(points, intervals) -%}
    select
        {{ points }}.*,
        cast(
            {{ intervals }}.cumulative_s
            + least(
                {{ intervals }}.seconds,
                {{ seconds_between(intervals ~ '.starts_at', points ~ '.at') }}
            ) as bigint
        ) as working_position_s
    from {{ as_of_join(points, intervals, ['calendar_id', 'zone'], 'at', 'starts_at') }}
{%- endmacro %}
