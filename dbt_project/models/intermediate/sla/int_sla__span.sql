{{ config(materialized='table') }}

with

events as (
    select * from {{ ref('int_feedback__case_event') }}
),

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

signals as (
    select * from {{ ref('int_sla__signal') }}
),

clocks as (
    select distinct
        clock,
        clock_no
    from signals
),

signalled as (
    select
        events.case_id,
        signals.clock_no,
        -- A case begins with its creation, whatever the clocks of its sources said of the rest.
        case when events.signal = 'created' then 0 else events.place end as place,
        events.cycle,
        events.event_at,
        events.event_precision,
        events.new_status,
        events.status_after,
        events.limit_at,
        signals.is_start
        and not (
            signals.starts_only_open
            and {{ is_ended('events.status_after') }}
        ) as is_start,
        signals.is_stop,
        signals.is_cancel,
        signals.is_once,
        signals.quiet_s
    from events
    inner join signals
        on events.signal = signals.signal
    where signals.clock <> 'full_resolution' or not signals.is_cancel
),

-- The clock of the whole case ends with the first end of its last cycle.
whole_ended as (
    select
        cases.case_id,
        signals.clock_no,
        events.place,
        events.cycle,
        events.event_at,
        events.event_precision,
        events.new_status,
        events.status_after,
        events.limit_at,
        signals.is_start,
        signals.is_stop,
        signals.is_cancel,
        signals.is_once,
        signals.quiet_s
    from cases
    inner join events
        on cases.case_id = events.case_id and cases.cycle_count = events.cycle
    inner join signals
        on
            signals.clock = 'full_resolution'
            and (
                (signals.is_stop and events.signal = 'resolved')
                or (signals.is_cancel and signals.signal = events.signal)
            )
),

all_signals as (
    select * from signalled
    union all
    select * from whole_ended
),

-- A word of thanks soon after the matter was settled asks for nothing.
settled as (
    select
        *,
        max(case when new_status in ('resolved', 'closed') then event_at end) over (
            partition by case_id, clock_no order by place
            rows between unbounded preceding and current row
        ) as settled_at
    from all_signals
    where quiet_s > 0
),

heard as (
    select * exclude (status_after, quiet_s)
    from all_signals
    where quiet_s = 0
    union all
    select * exclude (status_after, quiet_s, settled_at)
    from settled
    where
        not is_start
        or settled_at is null
        or status_after not in ('resolved', 'closed')
        or {{ seconds_between('settled_at', 'event_at') }} > quiet_s
),

followed as (
    select
        *,
        lag(is_start) over clock_signals as was_started,
        min(case when is_stop or is_cancel then place end) over (
            partition by case_id, clock_no order by place
            rows between 1 following and unbounded following
        ) as end_place
    from heard
    window clock_signals as (partition by case_id, clock_no order by place)
),

started as (
    select
        case_id,
        clock_no,
        place,
        cycle,
        event_at as started_at,
        event_precision as started_precision,
        limit_at,
        end_place,
        is_once
    from followed
    -- While a clock runs, a further start changes nothing, unless it is its end as well.
    where is_start and (is_stop or not coalesce(was_started, false))
),

numbered as (
    select
        *,
        cast(
            row_number() over (partition by case_id, clock_no order by place) as integer
        ) as ordinal
    from started
),

ends as (
    select
        case_id,
        clock_no,
        place,
        event_at,
        event_precision,
        new_status,
        is_stop
    from heard
    where is_stop or is_cancel
),

ended as (
    select
        numbered.case_id,
        numbered.clock_no,
        numbered.ordinal,
        numbered.cycle,
        numbered.started_at,
        numbered.started_precision,
        numbered.limit_at,
        case when ends.is_stop then ends.event_at end as stopped_at,
        case when ends.is_stop then ends.event_precision end as stopped_precision,
        case when not ends.is_stop then ends.event_at end as cancelled_at,
        case
            when not ends.is_stop and ends.event_precision = 'unknown' then 'unknown'
            when not ends.is_stop then coalesce(ends.new_status, 'ended')
        end as cancelled_by
    from numbered
    left join ends
        on
            numbered.case_id = ends.case_id
            and numbered.clock_no = ends.clock_no
            and numbered.end_place = ends.place
    where numbered.ordinal = 1 or not numbered.is_once
),

-- A case that was merged or was spam is left alone from that moment on.
left_out as (
    select
        ended.* exclude (stopped_at, stopped_precision, cancelled_at, cancelled_by),
        clocks.clock,
        cases.left_out_at is not null
        and (
            coalesce(ended.stopped_at, ended.cancelled_at) is null
            or coalesce(ended.stopped_at, ended.cancelled_at) > cases.left_out_at
        ) as is_ended_by_it,
        cases.left_out_at,
        ended.stopped_at,
        ended.stopped_precision,
        ended.cancelled_at,
        case
            when cases.is_spam then 'spam'
            when cases.is_merged then 'merged'
            when ended.stopped_at is not null then null
            when
                clocks.clock in ('acknowledge', 'first_response') and cases.is_reply_unknown
                then 'unknown'
            when
                clocks.clock in ('agent_work', 'requester_wait', 'resolution', 'full_resolution')
                and cases.is_resolution_unknown
                then 'unknown'
            else ended.cancelled_by
        end as cancelled_by
    from ended
    inner join cases
        on ended.case_id = cases.case_id
    inner join clocks
        on ended.clock_no = clocks.clock_no
),

final as (
    select
        (cast(case_id as bigint) * 64 + clock_no) * 1000000 + ordinal as span_id,
        case_id,
        clock,
        clock_no,
        ordinal,
        cycle,
        started_at,
        started_precision,
        limit_at,
        case when not is_ended_by_it then stopped_at end as stopped_at,
        case when not is_ended_by_it then stopped_precision end as stopped_precision,
        case when is_ended_by_it then left_out_at else cancelled_at end as cancelled_at,
        cancelled_by,
        greatest(
            started_at,
            case
                when is_ended_by_it then left_out_at
                else coalesce(stopped_at, cancelled_at, {{ as_of() }})
            end
        ) as ended_at,
        not is_ended_by_it and coalesce(stopped_at < started_at, false) as is_stopped_before_start
    from left_out
)

select * from final
