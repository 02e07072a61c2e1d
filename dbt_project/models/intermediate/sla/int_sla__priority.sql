{{ config(materialized='table') }}

with

events as (
    select * from {{ ref('int_feedback__case_event') }}
),

rows_of_rule as (
    {{ rule_rows('sla_priority') }}
),

build as (
    select * from {{ source('build', 'build') }}
),

matrix as (
    select
        rows_of_rule.ordinal,
        rows_of_rule.row_order,
        case
            when rows_of_rule.valid_from is null then timestamp '1900-01-01 00:00:00'
            else {{ instant_of('(' ~ announced_at('rows_of_rule.valid_from') ~ ')', 'build.zone') }}
        end as valid_from,
        nullif(rows_of_rule.urgency, '') as urgency,
        nullif(rows_of_rule.importance, '') as importance,
        nullif(rows_of_rule.complexity, '') as complexity,
        rows_of_rule.priority
    from rows_of_rule
    cross join build
),

-- What a case carries may come from several events, so every mixture of what was told is rated.
urgencies as (
    select distinct urgency from events
    union
    select null
),

importances as (
    select distinct importance from events
    union
    select null
),

complexities as (
    select distinct complexity from events
    union
    select null
),

ratings as (
    select
        urgencies.urgency,
        importances.importance,
        complexities.complexity,
        {{ surrogate_key([
            'urgencies.urgency', 'importances.importance', 'complexities.complexity',
        ]) }} as rating_key
    from urgencies
    cross join importances
    cross join complexities
),

versions as (
    select distinct valid_from from matrix
),

-- A version replaces the whole matrix before it, also where it has no rule for a mixture.
final as (
    select
        ratings.rating_key,
        versions.valid_from,
        matrix.priority
    from ratings
    cross join versions
    left join matrix
        on
            versions.valid_from = matrix.valid_from
            and (matrix.urgency is null or matrix.urgency = ratings.urgency)
            and (matrix.importance is null or matrix.importance = ratings.importance)
            and (matrix.complexity is null or matrix.complexity = ratings.complexity)
    qualify
        row_number() over (
            partition by ratings.rating_key, versions.valid_from
            order by matrix.ordinal, matrix.row_order desc
        ) = 1
)

select * from final
