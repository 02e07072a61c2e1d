-- A day's balance is its opening plus what fell due less what was recovered; the months hold the
-- same; and the last balances equal bills past due less payments, account by account. Credit notes and
-- refunds make what fell due or was recovered negative, a balance never.
with

days as (
    select * from {{ ref('fct_arrears_daily') }}
),

months as (
    select * from {{ ref('fct_arrears_monthly') }}
),

owed as (
    select
        customer_id,
        sum(amount) as amount
    from (
        select
            customer_id,
            amount
        from {{ ref('fct_bill') }}
        where due_on < {{ business_date() }}
        union all
        select
            customer_id,
            -amount
        from {{ ref('fct_payment') }}
        where paid_on <= {{ business_date() }}
    )
    where customer_id is not null
    group by customer_id
    having sum(amount) > 0
),

final as (
    select
        'day' as part,
        count(*) as faults
    from days
    where
        balance <> opening + newly_due - recovered
        or least(opening, balance) < 0
    union all
    select
        'month',
        count(*)
    from months
    where closing <> opening + newly_due - recovered
    union all
    select
        'month totals',
        count(*)
    from
        (select sum(newly_due) as newly_due, sum(recovered) as recovered from days) as daily,
        (select sum(newly_due) as newly_due, sum(recovered) as recovered from months) as monthly
    where
        daily.newly_due is distinct from monthly.newly_due
        or daily.recovered is distinct from monthly.recovered
    union all
    select
        'last balance',
        count(*)
    from owed
    full join (select * from days where balance_on = {{ business_date() }} and balance > 0) as last
        on owed.customer_id = last.customer_id
    where owed.amount is distinct from last.balance
)

select * from final where faults > 0
