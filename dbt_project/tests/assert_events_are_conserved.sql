-- Events and their instants, by source and type, are those that the sources tell.
with

told as (
    select
        source,
        event_type,
        count(*) as events,
        count(event_at) as dated_events,
        sum({{ seconds_between("timestamp '1970-01-01'", 'event_at') }}) as seconds
    from {{ ref('int_feedback__events') }}
    group by source, event_type
),

stored as (
    select
        source,
        event_type,
        count(*) as events,
        count(event_at) as dated_events,
        sum({{ seconds_between("timestamp '1970-01-01'", 'event_at') }}) as seconds
    from {{ ref('fct_feedback_event') }}
    group by source, event_type
),

final as (
    (
        select * from told
        except
        select * from stored
    )
    union all
    (
        select * from stored
        except
        select * from told
    )
)

select * from final
