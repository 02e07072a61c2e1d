{#-
    The columns of the event contract in their order, for the select list of a source's model.
    values: expressions by column; a column that the source does not fill is null.
-#}
{% macro event_columns(values) -%}
    {%- set types = {
        'event_id': 'string',
        'source': 'string',
        'source_seq': 'bigint',
        'case_no': 'string',
        'event_type': 'string',
        'event_at': 'timestamp',
        'event_precision': 'string',
        'recorded_at': 'timestamp',
        'source_recorded_at': 'timestamp',
        'batch_id': 'string',
        'actor_id': 'string',
        'actor_role': 'string',
        'is_automatic': 'boolean',
        'org_unit_id': 'string',
        'holder_unit_id': 'string',
        'holder_id': 'string',
        'partner_id': 'string',
        'other_case_no': 'string',
        'channel': 'string',
        'kind': 'string',
        'category_path': 'string',
        'customer_id': 'string',
        'reporter_key': 'string',
        'reporter_type': 'string',
        'urgency': 'string',
        'importance': 'string',
        'complexity': 'string',
        'priority': 'string',
        'status': 'string',
        'limit_at': 'timestamp',
        'score': 'integer',
        'promised_due_at': 'timestamp',
        'date_flag': 'string',
        'attributes': 'string',
    } -%}
    {%- for name in values if name not in types -%}
        {{ exceptions.raise_compiler_error("the event contract has no column '" ~ name ~ "'") }}
    {%- endfor -%}
    {%- for name, type in types.items() %}
        {{ values.get(name, 'cast(null as ' ~ type ~ ')') }} as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}
