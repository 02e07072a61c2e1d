{{ config(materialized='table') }}

{%- set attributes = [
    'kind', 'priority', 'complexity', 'org_unit_id', 'channel', 'reporter_type', 'category_path',
] %}

with

told as (
    select * from {{ ref('int_feedback__case_attribute') }}
),

scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

policies as (
    select * from {{ ref('int_sla__policy') }}
),

-- What no policy asks for makes no difference, so that most cases are one row.
asked as (
    select
        {%- for attribute in attributes %}
        coalesce(bool_or({{ attribute }} is not null), false)
            as {{ attribute }}{{ "," if not loop.last }}
        {%- endfor %}
    from policies
    where is_active
),

narrowed as (
    select
        told.case_id,
        told.place,
        told.event_at,
        scope.source,
        {%- for attribute in attributes %}
        case when asked.{{ attribute }} then told.{{ attribute }} end
            as {{ attribute }}{{ "," if not loop.last }}
        {%- endfor %}
    from told
    inner join scope
        on told.case_id = scope.case_id
    cross join asked
),

keyed as (
    select
        *,
        {{ surrogate_key(['source'] + attributes) }} as combination_key
    from narrowed
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
