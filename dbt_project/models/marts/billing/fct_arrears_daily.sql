with

bills as (
    select * from {{ ref('fct_bill') }}
),

payments as (
    select * from {{ ref('fct_payment') }}
),

accounts as (
    select * from {{ ref('int_billing__accounts') }}
),

-- A bill becomes due the day after its last day to pay.
movements as (
    select
        customer_id,
        due_on + 1 as moved_on,
        amount as due,
        cast(0 as decimal(18, 2)) as paid
    from bills
    where due_on < {{ business_date() }}
    union all
    select
        customer_id,
        paid_on,
        cast(0 as decimal(18, 2)),
        amount
    from payments
    where paid_on <= {{ business_date() }}
),

moved_days as (
    select
        customer_id,
        moved_on,
        sum(due) as due,
        sum(paid) as paid
    from movements
    where customer_id is not null
    group by customer_id, moved_on
),

running as (
    select
        customer_id,
        moved_on,
        due,
        sum(due) over account_days as due_so_far,
        sum(paid) over account_days - paid as paid_before,
        sum(paid) over account_days as paid_so_far,
        lead(moved_on) over (partition by customer_id order by moved_on) as next_moved_on
    from moved_days
    window account_days as (
        partition by customer_id order by moved_on
        rows between unbounded preceding and current row
    )
),

owed as (
    select
        customer_id,
        moved_on,
        next_moved_on,
        greatest(due_so_far - due - paid_before, 0) as opening,
        greatest(due_so_far - paid_before, 0) as owed_before_payment,
        greatest(due_so_far - paid_so_far, 0) as balance
    from running
),

on_moved_days as (
    select
        customer_id,
        moved_on as balance_on,
        opening,
        owed_before_payment - opening as newly_due,
        owed_before_payment - balance as recovered,
        balance
    from owed
    -- A refund may bring arrears without anything newly due, a credit note may take them away
    -- without a payment.
    where opening <> 0 or owed_before_payment <> 0 or balance <> 0
),

-- Between two movements the balance only stands.
on_still_days as (
    select
        customer_id,
        {{ each_day(
            'greatest(moved_on + 1, ' ~ first_date() ~ ')',
            'coalesce(next_moved_on - 1, ' ~ business_date() ~ ')'
        ) }} as balance_on,
        balance as opening,
        0 as newly_due,
        0 as recovered,
        balance
    from owed
    where balance > 0
),

all_days as (
    select * from on_moved_days
    union all
    select * from on_still_days
),

final as (
    select
        all_days.customer_id,
        accounts.org_unit_id,
        all_days.balance_on,
        cast(all_days.opening as decimal(18, 2)) as opening,
        cast(all_days.newly_due as decimal(18, 2)) as newly_due,
        cast(all_days.recovered as decimal(18, 2)) as recovered,
        cast(all_days.balance as decimal(18, 2)) as balance,
        {{ currency_of('billing') }} as currency
    from all_days
    left join accounts
        on all_days.customer_id = accounts.customer_id
    where all_days.balance_on >= {{ first_date() }}
)

select * from final
