-- Revenue by customer and month neither loses nor doubles a bill.
with

monthly as (
    select coalesce(sum(revenue), 0) as revenue from {{ ref('fct_customer_monthly') }}
),

billed as (
    select coalesce(sum(amount), 0) as revenue
    from {{ ref('fct_bill') }}
    where customer_id is not null
),

final as (
    select
        monthly.revenue as monthly_revenue,
        billed.revenue as billed_revenue
    from monthly
    cross join billed
    where monthly.revenue <> billed.revenue
)

select * from final
