-- No customer holds two identity cards but by its own number, one customer is one group, every
-- surviving customer survives as itself, and a name alone makes no rule.
with

matched as (
    select * from {{ ref('int_customer__match') }}
),

bridge as (
    select * from {{ ref('bridge_customer') }}
),

final as (
    select
        'two identity cards' as fault,
        cast(survivor_no as string) as id
    from matched
    where rule not in (
        select rule from {{ ref('customer_match_rule') }}
        where not one_id_card
    )
    group by survivor_no
    having count(distinct id_card_key) > 1
    union all
    select
        'one number of two groups',
        customer_id
    from matched
    group by customer_id
    having count(distinct survivor_no) > 1
    union all
    select
        'survives as another',
        known.customer_id
    from bridge
    inner join bridge as known
        on bridge.customer_id = known.source_no and known.source = 'crm'
    where known.customer_id <> bridge.customer_id
    union all
    select
        'rule that no number, card or phone bears out',
        rule
    from {{ ref('customer_match_rule') }}
    where not (on_number or on_id_card or on_phone)
)

select * from final
