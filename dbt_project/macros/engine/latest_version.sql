{#-
    A select of the last version of each key of a raw stream: the one recorded last, and within one
    delivery the one that stands last. A removed row (`_op` D as its last version) is left out.
    The batch id breaks ties only so that the answer is always the same.
-#}
{% macro latest_version(relation, key) -%}
    select *
    from {{ relation }}
    qualify
        row_number() over (
            partition by {{ key | join(", ") }}
            order by _recorded_at desc, _record_no desc, _batch_id desc
        ) = 1
        and _op is distinct from 'D'
{%- endmacro %}
