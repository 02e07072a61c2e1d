{#-
    A select that gives each row its last day `due_on`: the n-th working day strictly after
    `start_on` (the start day is not counted), whether or not the start is a working day itself.
    Null where the calendar does not reach.
    starts: relation with calendar_id, start_on, working_days; its columns are kept.
    days: calendar_date.
-#}
{% macro working_day_due(starts, days) -%}
    select
        {{ starts }}.*,
        last_day.date_on as due_on,
        last_day.is_provisional as is_due_provisional
    from {{ starts }}
    left join {{ days }} as start_day
        on
            {{ starts }}.calendar_id = start_day.calendar_id
            and {{ starts }}.start_on = start_day.date_on
    left join {{ days }} as last_day
        on
            start_day.calendar_id = last_day.calendar_id
            and start_day.working_day_no + {{ starts }}.working_days = last_day.working_day_no
            and last_day.is_working
{%- endmacro %}
