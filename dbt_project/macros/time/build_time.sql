{#-
    Time enters a build through the one row of raw.build; models use these expressions and never
    the clock.
-#}

{#- The instant the build speaks of (naive UTC). -#}
{% macro as_of() -%}
    (select as_of from {{ source('build', 'build') }})
{%- endmacro %}


{#- The last complete business date of the build. -#}
{% macro business_date() -%}
    (select business_date from {{ source('build', 'build') }})
{%- endmacro %}


{#-
    The first date of the calendar and of every series of days or months; what partners date before
    it makes no row by day.
-#}
{% macro first_date() -%}
    date '2007-01-01'
{%- endmacro %}


{#- The last date of the calendar: the end of the fifth year after the build's. -#}
{% macro last_date() -%}
    make_date(cast(year({{ local_date(as_of()) }}) as integer) + 5, 12, 31)
{%- endmacro %}


{#- The operator's IANA zone. -#}
{% macro operator_zone() -%}
    (select zone from {{ source('build', 'build') }})
{%- endmacro %}


{#- The id of the operator's calendar. -#}
{% macro operator_calendar() -%}
    (select calendar_id from {{ source('build', 'build') }})
{%- endmacro %}


{#- The currency of a source, else the operator's. -#}
{% macro currency_of(source_name) -%}
    coalesce(
        (
            select max(currency)
            from {{ source('build', 'source_setting') }}
            where source = '{{ source_name }}'
        ),
        (select currency from {{ source('build', 'build') }})
    )
{%- endmacro %}


{#- The zone of a source, else the operator's. -#}
{% macro zone_of(source_name) -%}
    coalesce(
        (
            select max(zone)
            from {{ source('build', 'source_setting') }}
            where source = '{{ source_name }}'
        ),
        {{ operator_zone() }}
    )
{%- endmacro %}


{#- The local date of an instant (naive UTC) in the operator's zone, or in the zone given. -#}
{% macro local_date(instant, zone=none) -%}
    cast(timezone({{ zone or operator_zone() }}, timezone('UTC', {{ instant }})) as date)
{%- endmacro %}


{#- The local date and time of an instant (naive UTC) in a zone. -#}
{% macro local_time(instant, zone) -%}
    timezone({{ zone }}, timezone('UTC', {{ instant }}))
{%- endmacro %}


{#- The instant (naive UTC) of a local date and time in a zone. -#}
{% macro instant_of(local_time, zone) -%}
    timezone('UTC', timezone({{ zone }}, {{ local_time }}))
{%- endmacro %}


{#-
    A left join that finds the operator's local day of an instant; its `date_on` is the local date.
    Null for instants before 1970 and more than six years after the build.
-#}
{% macro join_local_day(days, alias, at) -%}
    left join {{ days }} as {{ alias }}
        on
            cast({{ at }} as date) = {{ alias }}.bucket_on
            and {{ at }} >= {{ alias }}.from_at
            and {{ at }} < {{ alias }}.to_at
{%- endmacro %}
