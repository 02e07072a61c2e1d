{{ config(severity='warn') }}
-- Events with a code of the source that we have no word for. They count under the member
-- 'unrecognised', or leave the status; the code stands in the attributes.
with

events as (
    select * from {{ ref('fct_feedback_event') }}
),

final as (
    select
        event_key,
        attributes
    from events
    where
        'unrecognised' in (event_type, kind, channel)
        or (event_type = 'status_set' and status is null)
)

select * from final
