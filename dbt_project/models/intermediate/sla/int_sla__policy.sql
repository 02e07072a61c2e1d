{{ config(materialized='table') }}

with

rows_of_rule as (
    {{ rule_rows('sla_policy') }}
),

build as (
    select * from {{ source('build', 'build') }}
),

typed as (
    select
        rows_of_rule.policy_id,
        coalesce(rows_of_rule.version, 1) as version,
        case
            when rows_of_rule.valid_from is null then timestamp '1900-01-01 00:00:00'
            else {{ instant_of('(' ~ announced_at('rows_of_rule.valid_from') ~ ')', 'build.zone') }}
        end as valid_from,
        coalesce(rows_of_rule.ordinal, 9000) as ordinal,
        rows_of_rule.clock,
        rows_of_rule.name,
        coalesce(nullif(rows_of_rule.name_en, ''), rows_of_rule.name) as name_en,
        nullif(rows_of_rule.cycle, '') as cycle,
        nullif(rows_of_rule.source, '') as source,
        nullif(rows_of_rule.kind, '') as kind,
        nullif(rows_of_rule.category_path, '') as category_path,
        nullif(rows_of_rule.priority, '') as priority,
        nullif(rows_of_rule.complexity, '') as complexity,
        nullif(rows_of_rule.org_unit_id, '') as org_unit_id,
        nullif(rows_of_rule.channel, '') as channel,
        nullif(rows_of_rule.reporter_type, '') as reporter_type,
        nullif(rows_of_rule.calendar_id, '') as calendar_id,
        cast(rows_of_rule.target as bigint) as target,
        coalesce(rows_of_rule.unit, 'business_seconds') as unit,
        coalesce(rows_of_rule.rolls, false) as rolls,
        coalesce(nullif(rows_of_rule.ends, ''), 'midnight') as ends,
        coalesce(nullif(rows_of_rule.target_kind, ''), 'each') as target_kind,
        rows_of_rule.percentile,
        nullif(rows_of_rule.pause_statuses, '') as pause_statuses,
        nullif(rows_of_rule.warn_at, '') as warn_at,
        try_cast(nullif(rows_of_rule.grace, '') as bigint) as grace,
        coalesce(rows_of_rule.is_active, true) as is_active,
        nullif(rows_of_rule.basis, '') as basis,
        nullif(rows_of_rule.note, '') as note,
        rows_of_rule.row_order
    from rows_of_rule
    cross join build
),

-- A version told twice is a correction: the row that stands last counts.
corrected as (
    select * from typed
    qualify
        row_number() over (
            partition by policy_id, version order by row_order desc
        ) = 1
),

final as (
    select
        {{ surrogate_key(['policy_id', 'version']) }} as policy_key,
        policy_id,
        version,
        valid_from,
        lead(valid_from) over (partition by policy_id order by valid_from, version) as valid_to,
        ordinal,
        clock,
        name,
        name_en,
        cycle,
        source,
        kind,
        category_path,
        priority,
        complexity,
        org_unit_id,
        channel,
        reporter_type,
        calendar_id,
        target,
        unit,
        rolls,
        ends,
        target_kind,
        percentile,
        pause_statuses,
        warn_at,
        {{ smallest_part('warn_at') }} as first_warning,
        grace,
        is_active,
        basis,
        note
    from corrected
)

select * from final
