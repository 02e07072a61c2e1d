{{ config(materialized='table') }}

with

events as (
    select * from {{ ref('int_feedback__case_event') }}
),

priorities as (
    select * from {{ ref('int_sla__priority') }}
),

telling as (
    select * from events
    where
        signal = 'created'
        or kind is not null
        or category_path is not null
        or priority is not null
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
            'kind', 'category_path', 'priority', 'urgency', 'importance', 'complexity',
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
        *,
        {{ surrogate_key(['urgency', 'importance', 'complexity']) }} as rating_key
    from carried
),

final as (
    select
        rated.* replace (coalesce(rated.priority, priorities.priority) as priority)
    from {{ as_of_join('rated', 'priorities', ['rating_key'], 'event_at', 'valid_from') }}
)

select * from final
