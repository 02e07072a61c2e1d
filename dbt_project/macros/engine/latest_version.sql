{#-
    A select of the last version of each key of a raw stream, in the order of version_order. A
    removed row (`_op` D as its last version) is left out.
-#}
{% macro latest_version(relation, key) -%}
    select delivered.*
    from {{ relation }} as delivered
    left join {{ source('build', 'batch') }} as deliveries
        on delivered._batch_id = deliveries.batch_id
    qualify
        row_number() over (
            partition by delivered.{{ key | join(", delivered.") }}
            order by {{ version_order('desc nulls last') }}
        ) = 1
        and delivered._op is distinct from 'D'
{%- endmacro %}


{#-
    The order of the versions of a key, `delivered` with the batches `deliveries` it came in: of
    files by the business date of the delivery, within it by the sequence; of tables and the inbox,
    whose claims have no number of a day (`_number` in pipelines/build_input.py gives them none), by
    the instant they were recorded; and within one delivery as they stand. So the order in which
    files arrive does not matter, and a file of an old day that comes late does not undo what a
    newer one told. The batch id breaks ties only so that the answer is always the same.
    direction: `desc nulls last` (the last version first) or `asc nulls first`.
-#}
{% macro version_order(direction) -%}
    case when deliveries.sequence is not null then deliveries.business_date end {{ direction }},
                deliveries.sequence {{ direction }},
                delivered._recorded_at {{ direction }},
                delivered._record_no {{ direction }},
                delivered._batch_id {{ direction }}
{%- endmacro %}
