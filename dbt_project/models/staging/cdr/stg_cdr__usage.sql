with

usage as (
    select * from {{ source('cdr', 'usage') }}
),

final as (
    select
        usage_no as usage_id,
        customer_no as customer_id,
        unit_code as org_unit_id,
        usage_type,
        started_at,
        _business_date as used_on,
        duration_s,
        bytes,
        charge,
        _recorded_at,
        _record_no,
        _batch_id,
        _op
    from usage
)

select * from final
