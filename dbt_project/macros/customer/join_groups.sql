{#-
    CTEs that apply the match rule with the ordinal given to the groups that earlier rules left;
    the last is `groups_<ordinal>` (record_no, group_no), where group_no is the smallest record_no
    of the group. They need `records` (int_customer__record), `rules` (customer_match_rule) and the groups
    before. Without such a rule the groups stay as they are.
-#}
{% macro join_groups(ordinal) -%}
    {%- set n = ordinal %}
    {%- set groups_before = 'groups_' ~ (ordinal - 1) %}
-- What the rule looks at, record by record, where all of it is there.
looked_at_{{ n }} as (
    select
        before.group_no,
        concat_ws(
            '|',
            case when rules.on_number then records.known_no end,
            case when rules.on_id_card then records.id_card_key end,
            case when rules.on_name then records.name_key end,
            case when rules.on_phone then records.phone_key end
        ) as match_key,
        case when rules.on_id_card then records.id_card_key end as id_card_key,
        case when rules.on_phone then records.phone_key end as phone_key
    from records
    inner join {{ groups_before }} as before
        on records.record_no = before.record_no
    cross join rules
    where
        rules.ordinal = {{ ordinal }}
        and (rules.on_number or rules.on_id_card or rules.on_phone)
        and (records.known_no is not null or not rules.on_number)
        and (records.id_card_key is not null or not rules.on_id_card)
        and (records.name_key is not null or not rules.on_name)
        and (records.phone_key is not null or not rules.on_phone)
),

-- A key of one group joins nothing.
keys_{{ n }} as (
    select match_key
    from looked_at_{{ n }}
    group by match_key
    having min(group_no) < max(group_no)
),

sharing_{{ n }} as (
    select distinct
        looked_at.group_no,
        looked_at.match_key,
        looked_at.id_card_key,
        looked_at.phone_key
    from looked_at_{{ n }} as looked_at
    semi join keys_{{ n }} as keys
        on looked_at.match_key = keys.match_key
),

-- Identity cards and phones that go with too many names or groups, whether or not the rule looks at
-- all the records that hold them.
shared_by_many_{{ n }} as (
    {%- for attribute in ['id_card', 'phone'] %}
    select
        '{{ attribute }}' as attribute,
        records.{{ attribute }}_key as value_key
    from records
    inner join {{ groups_before }} as before
        on records.record_no = before.record_no
    cross join rules
    where
        rules.ordinal = {{ ordinal }}
        and records.{{ attribute }}_key in (select {{ attribute }}_key from sharing_{{ n }})
    group by records.{{ attribute }}_key, rules.max_names, rules.max_groups
    having
        count(distinct records.name_key) > rules.max_names
        or count(distinct before.group_no) > rules.max_groups
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- Groups that already hold two identity cards or names where the rule allows one.
mixed_{{ n }} as (
    select before.group_no
    from records
    inner join {{ groups_before }} as before
        on records.record_no = before.record_no
    cross join rules
    where
        rules.ordinal = {{ ordinal }}
        and (rules.one_id_card or rules.one_name)
        and before.group_no in (select group_no from sharing_{{ n }})
    group by before.group_no, rules.one_id_card, rules.one_name
    having
        (rules.one_id_card and min(records.id_card_key) < max(records.id_card_key))
        or (rules.one_name and min(records.name_key) < max(records.name_key))
),

-- Each group of a key hangs on the smallest of those that the rule may join.
hung_{{ n }} as (
    select
        sharing.group_no,
        min(sharing.group_no) over (partition by sharing.match_key) as lowest_no
    from sharing_{{ n }} as sharing
    anti join mixed_{{ n }} as mixed
        on sharing.group_no = mixed.group_no
    anti join (select value_key from shared_by_many_{{ n }} where attribute = 'id_card') as cards
        on sharing.id_card_key = cards.value_key
    anti join (select value_key from shared_by_many_{{ n }} where attribute = 'phone') as phones
        on sharing.phone_key = phones.value_key
),

links_{{ n }} as (
    select
        group_no as from_no,
        lowest_no as to_no
    from hung_{{ n }}
    where group_no <> lowest_no
    union
    select
        lowest_no,
        group_no
    from hung_{{ n }}
    where group_no <> lowest_no
),

-- Walks from every group that is the smallest of some key to all that hang together with it. A
-- walk never goes below its start: what is reached from there counts for the smaller start.
reached_{{ n }} as (
    select distinct
        to_no as start_no,
        to_no as group_no
    from links_{{ n }}
    where from_no > to_no
    union
    select
        reached.start_no,
        links.to_no
    from reached_{{ n }} as reached
    inner join links_{{ n }} as links
        on reached.group_no = links.from_no
    where links.to_no > reached.start_no
),

chains_{{ n }} as (
    select
        group_no,
        min(start_no) as joined_no
    from reached_{{ n }}
    group by group_no
),

-- A chain that would hold two identity cards or names is not joined at all.
refused_{{ n }} as (
    select chains.joined_no
    from chains_{{ n }} as chains
    inner join {{ groups_before }} as before
        on chains.group_no = before.group_no
    inner join records
        on before.record_no = records.record_no
    cross join rules
    where rules.ordinal = {{ ordinal }} and (rules.one_id_card or rules.one_name)
    group by chains.joined_no, rules.one_id_card, rules.one_name
    having
        (rules.one_id_card and min(records.id_card_key) < max(records.id_card_key))
        or (rules.one_name and min(records.name_key) < max(records.name_key))
),

groups_{{ n }} as (
    select
        before.record_no,
        coalesce(chains.joined_no, before.group_no) as group_no
    from {{ groups_before }} as before
    left join (
        select chains.*
        from chains_{{ n }} as chains
        anti join refused_{{ n }} as refused
            on chains.joined_no = refused.joined_no
    ) as chains
        on before.group_no = chains.group_no
),
{%- endmacro %}
