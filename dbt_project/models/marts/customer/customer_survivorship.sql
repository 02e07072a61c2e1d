with

matched as (
    select * from {{ ref('int_customer__match') }}
),

rules as (
    select * from {{ ref('customer_survivor_rule') }}
),

joined as (
    select customer_id
    from matched
    group by customer_id
    having count(*) > 1
),

told as (
    {%- for attribute in ['name', 'id_card', 'phone'] %}
    select
        customer_id,
        record_no,
        source,
        source_no,
        '{{ attribute }}' as attribute,
        {{ attribute }}_key as value_key
    from matched
    where {{ attribute }}_key is not null
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

ranked as (
    select
        told.*,
        row_number() over (
            partition by told.customer_id, told.attribute
            order by rules.ordinal asc nulls last, told.record_no asc
        ) as place
    from told
    semi join joined
        on told.customer_id = joined.customer_id
    left join rules
        on told.attribute = rules.attribute and told.source = rules.source
),

winners as (
    select * from ranked
    where place = 1
),

counted as (
    select
        ranked.customer_id,
        ranked.attribute,
        count(*) as record_count,
        count(*) filter (where ranked.value_key <> winners.value_key) as losing_record_count,
        count(distinct ranked.value_key) - 1 as losing_value_count
    from ranked
    inner join winners
        on
            ranked.customer_id = winners.customer_id
            and ranked.attribute = winners.attribute
    group by ranked.customer_id, ranked.attribute
),

final as (
    select
        {{ surrogate_key(['winners.attribute', 'winners.customer_id']) }} as survivorship_key,
        winners.customer_id,
        winners.attribute,
        winners.source,
        winners.source_no,
        winners.value_key,
        cast(counted.record_count as integer) as record_count,
        cast(counted.losing_record_count as integer) as losing_record_count,
        cast(counted.losing_value_count as integer) as losing_value_count
    from winners
    inner join counted
        on
            winners.customer_id = counted.customer_id
            and winners.attribute = counted.attribute
)

select * from final
