with

cases as (
    {{ latest_version(source('build', 'flat_case'), ['source', 'case_no']) }}
),

final as (
    select
        source,
        case_no,
        created_at,
        created_precision,
        first_reply_at,
        resolved_at,
        closed_at,
        due_at as promised_due_at,
        kind,
        category_path,
        channel,
        org_path,
        unit_code as org_unit_id,
        reporter_phone as reporter_key,
        status,
        score,
        text,
        attributes,
        date_flag,
        _recorded_at as recorded_at,
        _batch_id as batch_id
    from cases
)

select * from final
