with

calls as (
    select * from {{ source('call_centre', 'calls') }}
),

codes as (
    select * from {{ ref('source_code') }}
    where source = 'call_centre'
),

final as (
    select
        {{ surrogate_key(['calls._branch', 'calls.call_no']) }} as call_id,
        calls.call_no,
        calls._branch as source_branch,
        calls.started_at,
        calls._business_date as started_on,
        calls.caller_phone as caller_key,
        calls.unit_code as org_unit_id,
        coalesce(queues.value, 'unrecognised') as queue,
        coalesce(outcomes.value, 'unrecognised') as outcome,
        calls.waited_seconds as waited_s,
        calls.talked_seconds as talked_s,
        calls.agent_no as agent_id,
        calls.case_no,
        calls.score,
        calls._recorded_at,
        calls._record_no,
        calls._batch_id,
        calls._op
    from calls
    left join codes as queues
        on calls.queue_code = queues.code and queues.list = 'queue'
    left join codes as outcomes
        on calls.outcome_code = outcomes.code and outcomes.list = 'outcome'
)

select * from final
