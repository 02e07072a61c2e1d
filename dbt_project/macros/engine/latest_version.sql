{#-
    A select of the last version of each key of a raw stream: of files, that of the delivery with
    the last business date, of it the highest sequence; of tables and the inbox, whose claims have
    no number of a day (`_number` in pipelines/build_input.py gives them none), the one recorded
    last; and within one delivery the one that stands last. So the order in which files arrive does
    not matter, and a file of an old day that comes late does not undo what a newer one told. A
    removed row (`_op` D as its last version) is left out. The batch id breaks ties only so that the
    answer is always the same.
-#}
{% macro latest_version(relation, key) -%}
    select delivered.*
    from {{ relation }} as delivered
    left join {{ source('build', 'batch') }} as deliveries
        on delivered._batch_id = deliveries.batch_id
    qualify
        row_number() over (
            partition by delivered.{{ key | join(", delivered.") }}
            order by
                case when deliveries.sequence is not null then deliveries.business_date end
                    desc nulls last,
                deliveries.sequence desc nulls last,
                delivered._recorded_at desc,
                delivered._record_no desc,
                delivered._batch_id desc
        ) = 1
        and delivered._op is distinct from 'D'
{%- endmacro %}
