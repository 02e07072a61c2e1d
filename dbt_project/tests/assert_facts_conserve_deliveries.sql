-- Rows and sums of every fact equal those of staging, each key once in its last version; every
-- case that has begun by the instant of the build is there. A difference means that a batch was
-- missed or written twice.
with

delivered as (
    select
        'fct_sale' as fact,
        count(*) as row_count,
        sum(amount) as amount
    from {{ ref('stg_hall__orders') }}
    union all
    select
        'fct_bill',
        count(*),
        sum(amount)
    from ({{ latest_version(ref('stg_billing__bills'), ['bill_id']) }})
    union all
    select
        'fct_payment',
        count(*),
        sum(amount)
    from ({{ latest_version(ref('stg_billing__payments'), ['payment_id']) }})
    union all
    select
        'fct_usage',
        count(*),
        sum(charge)
    from ({{ latest_version(ref('stg_cdr__usage'), ['usage_id']) }})
    union all
    select
        'fct_feedback_event',
        count(*),
        0
    from {{ ref('int_feedback__events') }}
    union all
    select
        'fct_case',
        count(*),
        0
    from {{ ref('int_feedback__events') }}
    where event_type = 'created' and event_at <= {{ as_of() }}
    union all
    select
        'case_text',
        count(*),
        0
    from {{ ref('int_feedback__case_text') }}
    union all
    select
        'fct_call',
        count(*),
        cast(sum(talked_s) as decimal(18, 2))
    from ({{ latest_version(ref('stg_call_centre__calls'), ['call_id']) }})
    union all
    select
        'fct_mention',
        count(*),
        cast(sum(reach) as decimal(18, 2))
    from {{ ref('stg_monitoring__mentions') }}
    union all
    select
        'fct_survey_response',
        count(*),
        cast(sum(score) as decimal(18, 2))
    from ({{ latest_version(ref('stg_survey__responses'), ['response_id']) }})
    union all
    select
        'fct_staffing',
        count(*),
        cast(sum(headcount) as decimal(18, 2))
    from {{ ref('stg_hr__staffing') }}
    union all
    select
        'fct_message',
        count(*),
        (
            select cast(count(*) as decimal(18, 2))
            from {{ ref('stg_huiyin__attempts') }}
            where message_id in (select message_id from {{ ref('stg_huiyin__messages') }})
        )
    from {{ ref('stg_huiyin__messages') }}
    union all
    select
        'fct_audit_event',
        count(*),
        0
    from {{ ref('stg_huiyin__audit_events') }}
    union all
    select
        'bridge_customer',
        count(*),
        0
    from (
        select customer_id from {{ ref('stg_crm__customers') }}
        union all
        select account_id from {{ ref('stg_billing__accounts') }}
        union all
        select buyer_id from {{ ref('stg_hall__buyers') }}
    )
    union all
    select
        'dim_customer',
        count(*),
        0
    from {{ ref('stg_crm__customers') }}
),

stored as (
    select
        'fct_sale' as fact,
        count(*) as row_count,
        sum(amount) as amount
    from {{ ref('fct_sale') }}
    union all
    select
        'fct_bill',
        count(*),
        sum(amount)
    from {{ ref('fct_bill') }}
    union all
    select
        'fct_payment',
        count(*),
        sum(amount)
    from {{ ref('fct_payment') }}
    union all
    select
        'fct_usage',
        count(*),
        sum(charge)
    from {{ ref('fct_usage') }}
    union all
    select
        'fct_feedback_event',
        count(*),
        0
    from {{ ref('fct_feedback_event') }}
    union all
    select
        'fct_case',
        count(*),
        0
    from {{ ref('fct_case') }}
    union all
    select
        'case_text',
        count(*),
        0
    from {{ ref('case_text') }}
    union all
    select
        'fct_call',
        count(*),
        cast(sum(talked_s) as decimal(18, 2))
    from {{ ref('fct_call') }}
    union all
    select
        'fct_mention',
        count(*),
        cast(sum(reach) as decimal(18, 2))
    from {{ ref('fct_mention') }}
    union all
    select
        'fct_survey_response',
        count(*),
        cast(sum(score) as decimal(18, 2))
    from {{ ref('fct_survey_response') }}
    union all
    select
        'fct_staffing',
        count(*),
        cast(sum(headcount) as decimal(18, 2))
    from {{ ref('fct_staffing') }}
    union all
    select
        'fct_message',
        count(*),
        cast(coalesce(sum(attempts), 0) as decimal(18, 2))
    from {{ ref('fct_message') }}
    union all
    select
        'fct_audit_event',
        count(*),
        0
    from {{ ref('fct_audit_event') }}
    union all
    select
        'bridge_customer',
        count(*),
        0
    from {{ ref('bridge_customer') }}
    union all
    select
        'dim_customer',
        count(*),
        0
    from {{ ref('dim_customer') }}
),

final as (
    select
        delivered.fact,
        delivered.row_count as delivered_rows,
        stored.row_count as stored_rows,
        delivered.amount as delivered_amount,
        stored.amount as stored_amount
    from delivered
    inner join stored
        on delivered.fact = stored.fact
    where
        delivered.row_count <> stored.row_count
        or delivered.amount is distinct from stored.amount
)

select * from final
