{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_cases(ref('int_feedback__case_scope')) }}"
) }}

with

attributes as (
    select * from {{ ref('int_feedback__case_attribute') }}
),

scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

keyed as (
    select
        *,
        {{ surrogate_key(['kind', 'priority', 'rating_key', 'category_path']) }} as state_key
    from attributes
    where
        kind is not null
        or category_path is not null
        or priority is not null
        or urgency is not null
        or importance is not null
        or complexity is not null
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
