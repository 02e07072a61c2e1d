with

bills as (
    select * from {{ source('billing', 'bills') }}
),

final as (
    select
        bill_no as bill_id,
        customer_no as customer_id,
        unit_code as org_unit_id,
        {{ date_of_text("billing_month || '01'", '%Y%m%d') }} as billing_month_on,
        billed_at,
        _business_date as billed_on,
        due_on,
        amount,
        _recorded_at,
        _record_no,
        _batch_id,
        _op
    from bills
)

select * from final
