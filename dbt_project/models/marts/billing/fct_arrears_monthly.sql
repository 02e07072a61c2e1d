with

days as (
    select * from {{ ref('fct_arrears_daily') }}
),

dated as (
    select
        *,
        cast(date_trunc('month', balance_on) as date) as month_on,
        least(cast(last_day(balance_on) as date), {{ business_date() }}) as month_end_on
    from days
),

final as (
    select
        customer_id,
        org_unit_id,
        month_on,
        cast(
            sum(case when balance_on = month_on then opening else 0 end) as decimal(18, 2)
        ) as opening,
        cast(sum(newly_due) as decimal(18, 2)) as newly_due,
        cast(sum(recovered) as decimal(18, 2)) as recovered,
        cast(
            sum(case when balance_on = month_end_on then balance else 0 end) as decimal(18, 2)
        ) as closing,
        currency
    from dated
    group by customer_id, org_unit_id, month_on, currency
)

select * from final
