{{ config(materialized='table') }}

with

attributes as (
    select * from {{ ref('int_sla__attribute') }}
),

policies as (
    select * from {{ ref('int_sla__policy') }}
),

epochs as (
    select * from {{ ref('int_sla__epoch') }}
),

clocks as (
    select * from {{ ref('sla_clock') }}
),

settings as (
    select * from {{ ref('int_sla__setting') }}
),

units as (
    select * from {{ ref('int_sla__judged_unit') }}
),

places as (
    select * from {{ ref('int_feedback__category_place') }}
),

combinations as (
    select distinct
        combination_no,
        source,
        kind,
        category_path,
        priority,
        complexity,
        org_unit_id,
        channel,
        reporter_type
    from attributes
),

present_places as (
    select * from places
    where valid_from <= {{ local_date(as_of()) }} and valid_to > {{ local_date(as_of()) }}
),

-- As-is puts a category where it stands in today's tree.
judged_combinations as (
    select
        'as_was' as evaluation,
        combinations.*
    from combinations
    union all
    select
        'as_is',
        combinations.combination_no,
        combinations.source,
        combinations.kind,
        coalesce(present_places.place_path, combinations.category_path),
        combinations.priority,
        combinations.complexity,
        combinations.org_unit_id,
        combinations.channel,
        combinations.reporter_type
    from combinations
    left join present_places
        on
            combinations.source = present_places.source
            and combinations.category_path = present_places.path
),

in_force as (
    select
        epochs.epoch_no,
        epochs.is_present,
        greatest({{ local_date('epochs.from_at') }}, date '1900-01-01') as began_on,
        policies.*
    from epochs
    inner join policies
        on
            epochs.from_at >= policies.valid_from
            and (policies.valid_to is null or epochs.from_at < policies.valid_to)
    where policies.is_active
),

cycles as (
    select 'first' as cycle
    union all
    select 'again'
),

matched as (
    select
        combinations.evaluation,
        combinations.combination_no,
        cycles.cycle,
        in_force.epoch_no,
        in_force.clock,
        in_force.policy_key,
        in_force.ordinal,
        in_force.policy_id
    from judged_combinations as combinations
    inner join in_force
        on
            (combinations.evaluation = 'as_was' or in_force.is_present)
            and (
                in_force.source is null
                or {{ list_names('in_force.source', 'combinations.source') }}
            )
            and (in_force.kind is null or {{ list_names('in_force.kind', 'combinations.kind') }})
            and (
                in_force.category_path is null
                or {{ path_within('combinations.category_path', 'in_force.category_path') }}
            )
            and (
                in_force.priority is null
                or {{ list_names('in_force.priority', 'combinations.priority') }}
            )
            and (
                in_force.complexity is null
                or {{ list_names('in_force.complexity', 'combinations.complexity') }}
            )
            and (
                in_force.channel is null
                or {{ list_names('in_force.channel', 'combinations.channel') }}
            )
            and (
                in_force.reporter_type is null
                or {{ list_names('in_force.reporter_type', 'combinations.reporter_type') }}
            )
    inner join cycles
        on in_force.cycle is null or in_force.cycle = cycles.cycle
    left join units
        on
            in_force.org_unit_id = units.ancestor_id
            and combinations.org_unit_id = units.descendant_id
            and in_force.began_on >= units.valid_from
            and in_force.began_on < units.valid_to
    where in_force.org_unit_id is null or units.descendant_id is not null
),

first_matches as (
    select * from matched
    qualify
        row_number() over (
            partition by evaluation, combination_no, cycle, epoch_no, clock
            order by ordinal, policy_id
        ) = 1
),

-- Every clock has an answer in every epoch, also where no policy asks for it.
asked as (
    select distinct
        combinations.evaluation,
        combinations.combination_no,
        combinations.source,
        cycles.cycle,
        epochs.epoch_no,
        clocks.clock,
        cast(clocks.ordinal as integer) as clock_no
    from judged_combinations as combinations
    cross join cycles
    cross join clocks
    inner join epochs
        on combinations.evaluation = 'as_was' or epochs.is_present
),

final as (
    select
        asked.evaluation,
        asked.combination_no,
        asked.cycle = 'again' as is_again,
        asked.epoch_no,
        asked.clock_no,
        settings.setting_no
    from asked
    left join first_matches
        on
            asked.evaluation = first_matches.evaluation
            and asked.combination_no = first_matches.combination_no
            and asked.cycle = first_matches.cycle
            and asked.epoch_no = first_matches.epoch_no
            and asked.clock = first_matches.clock
    inner join settings
        on
            asked.evaluation = settings.evaluation
            and asked.source = settings.source
            and asked.clock = settings.clock
            and first_matches.policy_key is not distinct from settings.policy_key
)

select * from final
