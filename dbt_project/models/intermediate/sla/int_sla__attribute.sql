{{ config(materialized='table') }}

with

events as (
    select * from {{ ref('int_feedback__case_event') }}
),

scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

policies as (
    select * from {{ ref('int_sla__policy') }}
),

priorities as (
    select * from {{ ref('int_sla__priority') }}
),

-- What no policy asks for makes no difference, so that most cases are one row.
asked as (
    select
        coalesce(bool_or(kind is not null), false) as kind,
        coalesce(bool_or(category_path is not null), false) as category_path,
        coalesce(bool_or(priority is not null), false) as priority,
        coalesce(bool_or(complexity is not null), false) as complexity,
        coalesce(bool_or(org_unit_id is not null), false) as org_unit_id,
        coalesce(bool_or(channel is not null), false) as channel,
        coalesce(bool_or(reporter_type is not null), false) as reporter_type
    from policies
    where is_active
),

told as (
    select
        events.case_id,
        events.place,
        events.event_at,
        case when asked.kind then events.kind end as kind,
        case when asked.category_path then events.category_path end as category_path,
        case when asked.priority then events.priority end as told_priority,
        case when asked.priority then events.urgency end as urgency,
        case when asked.priority then events.importance end as importance,
        case when asked.priority or asked.complexity then events.complexity end as complexity,
        case when asked.org_unit_id then events.org_unit_id end as org_unit_id,
        case when asked.channel then events.channel end as channel,
        case when asked.reporter_type then events.reporter_type end as reporter_type,
        events.signal = 'created' as is_creation
    from events
    cross join asked
),

telling as (
    select * from told
    where
        is_creation
        or kind is not null
        or category_path is not null
        or told_priority is not null
        or urgency is not null
        or importance is not null
        or complexity is not null
        or org_unit_id is not null
        or channel is not null
        or reporter_type is not null
),

carried as (
    select
        case_id,
        place,
        event_at,
        {%- for attribute in [
            'kind', 'category_path', 'told_priority', 'urgency', 'importance', 'complexity',
            'org_unit_id', 'channel', 'reporter_type',
        ] %}
        last_value({{ attribute }} ignore nulls) over so_far
            as {{ attribute }}{{ "," if not loop.last }}
        {%- endfor %}
    from telling
    window
        so_far as (
            partition by case_id order by place
            rows between unbounded preceding and current row
        )
),

rated as (
    select
        carried.*,
        {{ surrogate_key(['carried.urgency', 'carried.importance', 'carried.complexity']) }}
            as rating_key
    from carried
),

weighed as (
    select
        rated.*,
        coalesce(rated.told_priority, priorities.priority) as priority
    from {{ as_of_join('rated', 'priorities', ['rating_key'], 'event_at', 'valid_from') }}
),

keyed as (
    select
        weighed.case_id,
        weighed.place,
        weighed.event_at,
        scope.source,
        weighed.kind,
        weighed.category_path,
        weighed.priority,
        weighed.complexity,
        weighed.org_unit_id,
        weighed.channel,
        weighed.reporter_type,
        {{ surrogate_key([
            'scope.source', 'weighed.kind', 'weighed.priority', 'weighed.complexity',
            'weighed.org_unit_id', 'weighed.channel', 'weighed.reporter_type',
            'weighed.category_path',
        ]) }} as combination_key
    from weighed
    inner join scope
        on weighed.case_id = scope.case_id
),

changes as (
    select * from keyed
    qualify
        lag(combination_key) over (partition by case_id order by place)
        is distinct from combination_key
),

bounded as (
    select
        *,
        event_at as valid_from,
        lead(event_at) over (partition by case_id order by place) as valid_to
    from changes
),

-- Of several changes at one instant the last one counts.
final as (
    select
        *,
        cast(dense_rank() over (order by combination_key) as integer) as combination_no,
        row_number() over (partition by case_id order by place) = 1 as is_first
    from bounded
    where valid_to is null or valid_to > valid_from
)

select * from final
