with

policies as (
    select * from {{ ref('int_sla__policy') }}
),

final as (
    select
        policy_key,
        policy_id,
        version,
        name,
        name_en,
        clock,
        ordinal,
        valid_from,
        valid_to,
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
        grace,
        is_active,
        is_active
        and valid_from <= {{ as_of() }}
        and (valid_to is null or valid_to > {{ as_of() }}) as is_in_force,
        basis,
        note
    from policies
)

select * from final
