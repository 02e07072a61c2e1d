{{ config(materialized='table') }}

with recursive

records as (
    select * from {{ ref('int_customer__record') }}
),

rules as (
    select * from {{ ref('customer_match_rule') }}
),

groups_0 as (
    select
        record_no,
        record_no as group_no
    from records
),
{% for ordinal in range(1, 5) %}
{{ join_groups(ordinal) }}
{% endfor %}
-- The rule by which a record came to the one that survives is the first after which both are in
-- one group.
joined as (
    select
        groups_4.record_no,
        groups_4.group_no as survivor_no,
        case
            when groups_4.record_no = groups_4.group_no then 0
            {%- for ordinal in range(1, 5) %}
            when groups_{{ ordinal }}.group_no = survivors_{{ ordinal }}.group_no then {{ ordinal }}
            {%- endfor %}
        end as ordinal
    from groups_4
    {%- for ordinal in range(1, 5) %}
    {%- if ordinal < 4 %}
    inner join groups_{{ ordinal }}
        on groups_4.record_no = groups_{{ ordinal }}.record_no
    {%- endif %}
    inner join groups_{{ ordinal }} as survivors_{{ ordinal }}
        on groups_4.group_no = survivors_{{ ordinal }}.record_no
    {%- endfor %}
),

-- A number CRM does not know may be a filler, so it names a customer only if no other group tells
-- it; one with a colon could be taken for `source:number`.
own_numbers as (
    select
        records.told_no,
        min(joined.survivor_no) as survivor_no
    from joined
    inner join records
        on joined.record_no = records.record_no
    where records.told_no is not null and not contains(records.told_no, ':')
    group by records.told_no
    having count(distinct joined.survivor_no) = 1
),

told as (
    select
        survivor_no,
        min_by(told_no, lpad(cast(length(told_no) as string), 4, '0') || told_no) as told_no
    from own_numbers
    group by survivor_no
),

final as (
    select
        records.*,
        joined.survivor_no,
        case
            when survivors.source = 'crm' then survivors.source_no
            else coalesce(told.told_no, survivors.source || ':' || survivors.source_no)
        end as customer_id,
        coalesce(rules.rule, 'own') as rule
    from joined
    inner join records
        on joined.record_no = records.record_no
    inner join records as survivors
        on joined.survivor_no = survivors.record_no
    left join told
        on joined.survivor_no = told.survivor_no
    left join rules
        on joined.ordinal = rules.ordinal
)

select * from final
