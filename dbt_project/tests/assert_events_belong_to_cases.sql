{{ config(severity='warn') }}
-- Events whose case row has not arrived (or is in quarantine) make no case.
with

events as (
    select * from {{ ref('fct_feedback_event') }}
),

cases as (
    select
        source,
        case_no
    from events
    where event_type = 'created'
),

final as (
    select distinct
        events.source,
        events.case_no
    from events
    anti join cases
        on events.source = cases.source and events.case_no = cases.case_no
)

select * from final
