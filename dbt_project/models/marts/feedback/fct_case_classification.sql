{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_cases(ref('int_feedback__case_scope')) }}"
) }}

with

events as (
    select * from {{ ref('int_feedback__case_event') }}
),

scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

priorities as (
    select * from {{ ref('int_sla__priority') }}
),

telling as (
    select * from events
    where
        kind is not null
        or category_path is not null
        or priority is not null
        or urgency is not null
        or importance is not null
        or complexity is not null
),

carried as (
    select
        case_id,
        place,
        event_at,
        last_value(kind ignore nulls) over so_far as kind,
        last_value(category_path ignore nulls) over so_far as category_path,
        last_value(priority ignore nulls) over so_far as told_priority,
        last_value(urgency ignore nulls) over so_far as urgency,
        last_value(importance ignore nulls) over so_far as importance,
        last_value(complexity ignore nulls) over so_far as complexity
    from telling
    window
        so_far as (
            partition by case_id order by place
            rows between unbounded preceding and current row
        )
),

rated as (
    select
        *,
        {{ surrogate_key(['urgency', 'importance', 'complexity']) }} as rating_key
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
        *,
        {{ surrogate_key(['kind', 'priority', 'rating_key', 'category_path']) }} as state_key
    from weighed
),

changes as (
    select * from keyed
    qualify
        lag(state_key) over (partition by case_id order by place) is distinct from state_key
),

followed as (
    select
        *,
        row_number() over (partition by case_id order by place) as ordinal,
        lead(event_at) over (partition by case_id order by place) as valid_to
    from changes
),

final as (
    select
        {{ surrogate_key(['followed.ordinal', 'scope.source', 'scope.case_no']) }}
            as classification_key,
        {{ surrogate_key(['scope.source', 'scope.case_no']) }} as case_key,
        scope.source,
        scope.case_no,
        cast(followed.ordinal as integer) as ordinal,
        followed.kind,
        case
            when followed.category_path is not null
                then {{ surrogate_key(['scope.source', 'followed.category_path']) }}
        end as category_id,
        followed.priority,
        followed.urgency,
        followed.importance,
        followed.complexity,
        followed.event_at as valid_from,
        followed.valid_to
    from followed
    inner join scope
        on followed.case_id = scope.case_id
    semi join cases
        on followed.case_id = cases.case_id
)

select * from final
