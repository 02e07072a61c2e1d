{#- The columns of a rule table with their types, as in cubes/rule_table.py. -#}
{% macro rule_columns(name) -%}
    {{ return({
        'calendar': {
            'calendar_id': 'varchar',
            'label_zh': 'varchar',
            'label_en': 'varchar',
            'base_calendar_id': 'varchar',
            'zone': 'varchar',
            'needs_notice': 'boolean',
            'makeup_weekday': 'integer',
        },
        'calendar_template': {
            'calendar_id': 'varchar',
            'valid_from': 'date',
            'weekday': 'integer',
            'starts': 'varchar',
            'ends': 'varchar',
        },
        'calendar_day': {
            'calendar_id': 'varchar',
            'date_on': 'date',
            'is_working': 'boolean',
            'name': 'varchar',
            'announced': 'varchar',
            'like_weekday': 'integer',
            'starts': 'varchar',
            'ends': 'varchar',
        },
        'calendar_notice': {
            'calendar_id': 'varchar',
            'year': 'integer',
            'announced': 'varchar',
            'url': 'varchar',
        },
        'sla_policy': {
            'policy_id': 'varchar',
            'version': 'integer',
            'valid_from': 'varchar',
            'ordinal': 'integer',
            'clock': 'varchar',
            'name': 'varchar',
            'name_en': 'varchar',
            'cycle': 'varchar',
            'source': 'varchar',
            'kind': 'varchar',
            'category_path': 'varchar',
            'priority': 'varchar',
            'complexity': 'varchar',
            'org_unit_id': 'varchar',
            'channel': 'varchar',
            'reporter_type': 'varchar',
            'calendar_id': 'varchar',
            'target': 'double',
            'unit': 'varchar',
            'rolls': 'boolean',
            'ends': 'varchar',
            'target_kind': 'varchar',
            'percentile': 'double',
            'pause_statuses': 'varchar',
            'warn_at': 'varchar',
            'grace': 'varchar',
            'is_active': 'boolean',
            'basis': 'varchar',
            'note': 'varchar',
        },
        'sla_priority': {
            'ordinal': 'integer',
            'valid_from': 'varchar',
            'urgency': 'varchar',
            'importance': 'varchar',
            'complexity': 'varchar',
            'priority': 'varchar',
        },
        'category_remap': {
            'source': 'varchar',
            'path_from': 'varchar',
            'path_to': 'varchar',
            'valid_from': 'varchar',
        },
    }[name]) }}
{%- endmacro %}


{#-
    A select of the rows of a rule table: the shipped ones, then those the operator added, with
    `is_operator` and `row_order`, by which a later row beats an earlier one. A build of what was
    known at an instant leaves out what the operator had not added by then.
-#}
{% macro rule_rows(name) -%}
    {%- set columns = rule_columns(name) -%}
    select
        {%- for column, type in columns.items() %}
        cast({{ column }} as {{ type }}) as {{ column }},
        {%- endfor %}
        false as is_operator,
        cast(row_number() over (order by {{ columns | join(', ') }}) as bigint) as row_order
    from {{ ref(name) }}
    union all
    select
        {%- for column, type in columns.items() %}
        cast(nullif({{ column }}, '') as {{ type }}) as {{ column }},
        {%- endfor %}
        true as is_operator,
        cast(row_no + (select count(*) from {{ ref(name) }}) as bigint) as row_order
    from {{ source('build', 'operator_' ~ name) }}
    where recorded_at <= coalesce(
        (select known_at from {{ source('build', 'build') }}), recorded_at
    )
{%- endmacro %}
