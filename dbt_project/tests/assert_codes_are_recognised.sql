{{ config(severity='warn') }}
-- Events and calls with a code of the source that we have no word for. They count under the member
-- 'unrecognised', or leave the status; the code of an event stands in its attributes.
with

events as (
    select * from {{ ref('fct_feedback_event') }}
),

calls as (
    select * from {{ ref('fct_call') }}
),

final as (
    select
        event_key,
        attributes
    from events
    where
        'unrecognised' in (event_type, kind, channel)
        or (event_type = 'status_set' and status is null)
    union all
    select
        call_id,
        null
    from calls
    where 'unrecognised' in (queue, outcome)
)

select * from final
