with

payments as (
    select * from {{ source('billing', 'payments') }}
),

final as (
    select
        payment_no as payment_id,
        customer_no as customer_id,
        method,
        amount,
        paid_at,
        _business_date as paid_on,
        _recorded_at,
        _record_no,
        _batch_id,
        _op
    from payments
)

select * from final
