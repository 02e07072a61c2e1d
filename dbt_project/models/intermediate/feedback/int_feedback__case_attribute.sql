{{ config(materialized='table') }}

with

events as (
    select * from {{ ref('int_feedback__case_event') }}
),

priorities as (
    select * from {{ ref('int_sla__priority') }}
),

classed as (
    select
        *,
        coalesce(signal = 'created', false)
        or kind is not null
        or category_path is not null
        or priority is not null
        or urgency is not null
        or importance is not null
        or complexity is not null as is_classification
    from events
),

telling as (
    select * from classed
    where
        is_classification
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
            'kind', 'category_path', 'priority', 'urgency', 'importance', 'complexity',
            'org_unit_id', 'channel', 'reporter_type',
        ] %}
        last_value({{ attribute }} ignore nulls) over so_far
            as {{ attribute }},
        {%- endfor %}
        -- A newer matrix rates a case only once somebody classifies it again.
        last_value(case when is_classification then event_at end ignore nulls) over so_far
            as rated_at
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

final as (
    select
        rated.* exclude (rated_at) replace (
            coalesce(rated.priority, priorities.priority) as priority
        )
    from {{ as_of_join('rated', 'priorities', ['rating_key'], 'rated_at', 'valid_from') }}
)

select * from final
