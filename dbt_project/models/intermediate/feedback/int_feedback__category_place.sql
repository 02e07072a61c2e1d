{{ config(materialized='table') }}

with recursive

events as (
    select * from {{ ref('fct_feedback_event') }}
),

mentions as (
    select * from {{ ref('fct_mention') }}
),

remaps as (
    {{ rule_rows('category_remap') }}
),

rules as (
    select
        source,
        path_from,
        coalesce(path_to, path_from) as path_to,
        cast({{ announced_at('valid_from') }} as date) as valid_from,
        row_number() over (
            order by cast({{ announced_at('valid_from') }} as date), row_order
        ) as rule_no
    from remaps
    where path_from is not null
),

told as (
    select
        source,
        category_path as path
    from events
    where category_path is not null
    union
    select
        'monitoring',
        category_path
    from mentions
    where category_path is not null
    union
    select
        source,
        path_to
    from rules
),

nodes as (
    {{ path_prefixes('told') }}
),

bounds as (
    select
        source,
        valid_from as bound_on
    from rules
    union
    select
        source,
        date '1900-01-01'
    from rules
),

-- Of the rules of one path the last that has begun counts.
in_force as (
    select
        bounds.source,
        bounds.bound_on,
        rules.path_from,
        rules.path_to,
        rules.rule_no
    from bounds
    inner join rules
        on bounds.source = rules.source and bounds.bound_on >= rules.valid_from
    qualify
        row_number() over (
            partition by bounds.source, bounds.bound_on, rules.path_from
            order by rules.rule_no desc
        ) = 1
),

movable as (
    select
        nodes.source,
        nodes.path,
        bounds.bound_on
    from nodes
    inner join bounds
        on nodes.source = bounds.source
    where
        exists (
            select 1
            from rules
            where
                rules.source = nodes.source
                and {{ path_within('nodes.path', 'rules.path_from') }}
        )
),

-- From place to place by the rule of the longest path; `used` are the numbers of the rules that
-- led here, since a rule moves a path once.
walks as (
    select
        source,
        path,
        bound_on,
        0 as step_no,
        cast(0 as bigint) as rule_no,
        path as place_path,
        '' as used
    from movable
    union all
    select
        source,
        path,
        bound_on,
        step_no + 1,
        next_no,
        path_to || substr(place_path, length(path_from) + 1),
        used || ';' || cast(next_no as string)
    from (
        select
            walks.*,
            in_force.path_from,
            in_force.path_to,
            in_force.rule_no as next_no,
            row_number() over (
                partition by walks.source, walks.path, walks.bound_on
                order by length(in_force.path_from) desc
            ) as choice_no
        from walks
        inner join in_force
            on
                walks.source = in_force.source
                and walks.bound_on = in_force.bound_on
                and {{ path_within('walks.place_path', 'in_force.path_from') }}
    )
    where
        choice_no = 1
        and path_from <> path_to
        and not {{ list_names('used', 'cast(next_no as string)') }}
),

ends as (
    select *
    from walks
    qualify row_number() over (partition by source, path, bound_on order by step_no desc) = 1
),

-- A walk that ends where a rule would still lead on goes round from where that rule was used.
rounds as (
    select
        source,
        path,
        bound_on,
        next_no
    from (
        select
            ends.source,
            ends.path,
            ends.bound_on,
            in_force.path_from,
            in_force.path_to,
            in_force.rule_no as next_no,
            row_number() over (
                partition by ends.source, ends.path, ends.bound_on
                order by length(in_force.path_from) desc
            ) as choice_no
        from ends
        inner join in_force
            on
                ends.source = in_force.source
                and ends.bound_on = in_force.bound_on
                and {{ path_within('ends.place_path', 'in_force.path_from') }}
    )
    where choice_no = 1 and path_from <> path_to
),

-- Of the rules that lead in a round the newest wins, so that what is moved back stands there.
cut_rounds as (
    select
        walks.source,
        walks.path,
        walks.bound_on,
        walks.place_path
    from rounds
    inner join walks as starts
        on
            rounds.source = starts.source
            and rounds.path = starts.path
            and rounds.bound_on = starts.bound_on
            and rounds.next_no = starts.rule_no
    inner join walks
        on
            rounds.source = walks.source
            and rounds.path = walks.path
            and rounds.bound_on = walks.bound_on
            and walks.step_no >= starts.step_no
    qualify
        row_number() over (
            partition by walks.source, walks.path, walks.bound_on order by walks.rule_no desc
        ) = 1
),

placed as (
    select
        ends.source,
        ends.path,
        ends.bound_on,
        coalesce(cut_rounds.place_path, ends.place_path) as place_path,
        cut_rounds.path is not null as is_cut
    from ends
    left join cut_rounds
        on
            ends.source = cut_rounds.source
            and ends.path = cut_rounds.path
            and ends.bound_on = cut_rounds.bound_on
),

changed as (
    select *
    from placed
    window versions as (partition by source, path order by bound_on)
    qualify
        lag(place_path) over versions is distinct from place_path
        or lag(is_cut) over versions is distinct from is_cut
),

versions as (
    select
        source,
        path,
        bound_on as valid_from,
        coalesce(
            lead(bound_on) over (partition by source, path order by bound_on), date '9999-12-31'
        ) as valid_to,
        place_path,
        is_cut
    from changed
    union all
    select
        source,
        path,
        date '1900-01-01',
        date '9999-12-31',
        path,
        false
    from nodes
    anti join movable
        on nodes.source = movable.source and nodes.path = movable.path
),

-- Places nobody tells of, which others came to stand below.
places as (
    select
        source,
        place_path as path
    from versions
    where {{ business_date() }} >= valid_from and {{ business_date() }} < valid_to
),

place_nodes as (
    {{ path_prefixes('places') }}
),

final as (
    select * from versions
    union all
    select
        source,
        path,
        date '1900-01-01',
        date '9999-12-31',
        path,
        false
    from place_nodes
    anti join nodes
        on place_nodes.source = nodes.source and place_nodes.path = nodes.path
)

select * from final
