with

customers as (
    select * from {{ ref('dim_customer') }}
),

bills as (
    select * from {{ ref('fct_bill') }}
),

accounts as (
    select * from {{ ref('int_billing__accounts') }}
),

build as (
    select * from {{ source('build', 'build') }}
),

billed as (
    select
        customer_id,
        cast(date_trunc('month', billed_on) as date) as month_on,
        sum(amount) as revenue
    from bills
    where customer_id is not null
    group by customer_id, cast(date_trunc('month', billed_on) as date)
),

placed as (
    select
        customers.customer_id,
        accounts.org_unit_id,
        customers.joined_on,
        customers.left_on,
        greatest(customers.joined_on, {{ first_date() }}) as first_on,
        least(customers.left_on, build.business_date) as last_on
    from customers
    cross join build
    left join accounts
        on customers.customer_id = accounts.customer_id
    where customers.joined_on <= build.business_date
),

member_months as (
    select
        customer_id,
        org_unit_id,
        joined_on,
        left_on,
        {{ each_month('first_on', 'last_on') }} as month_on
    from placed
),

-- A last bill may follow the month of leaving; its revenue must not be lost.
billed_besides as (
    select
        billed.customer_id,
        accounts.org_unit_id,
        billed.month_on
    from billed
    left join placed
        on billed.customer_id = placed.customer_id
    left join accounts
        on billed.customer_id = accounts.customer_id
    where
        placed.customer_id is null
        or billed.month_on
        not between date_trunc('month', placed.first_on) and date_trunc('month', placed.last_on)
),

months as (
    select
        customer_id,
        org_unit_id,
        month_on,
        joined_on,
        left_on
    from member_months
    union all
    select
        customer_id,
        org_unit_id,
        month_on,
        cast(null as date),
        cast(null as date)
    from billed_besides
),

ended as (
    select
        months.*,
        least(cast(last_day(months.month_on) as date), build.business_date) as end_on
    from months
    cross join build
),

final as (
    select
        ended.customer_id,
        ended.org_unit_id,
        ended.month_on,
        coalesce(
            ended.joined_on <= ended.end_on
            and (ended.left_on is null or ended.left_on > ended.end_on),
            false
        ) as is_active,
        coalesce(ended.joined_on between ended.month_on and ended.end_on, false) as has_joined,
        coalesce(ended.left_on between ended.month_on and ended.end_on, false) as has_left,
        cast(coalesce(billed.revenue, 0) as decimal(18, 2)) as revenue,
        {{ currency_of('billing') }} as currency
    from ended
    left join billed
        on ended.customer_id = billed.customer_id and ended.month_on = billed.month_on
)

select * from final
