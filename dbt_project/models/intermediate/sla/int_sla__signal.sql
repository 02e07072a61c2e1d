with

clocks as (
    select * from {{ ref('sla_clock') }}
),

starts as (
    select
        clock,
        {{ each_part('start_signals') }} as signal,
        'start' as effect
    from clocks
),

stops as (
    select
        clock,
        {{ each_part('stop_signals') }} as signal,
        'stop' as effect
    from clocks
),

cancels as (
    select
        clock,
        {{ each_part('cancel_signals') }} as signal,
        'cancel' as effect
    from clocks
    where cancel_signals is not null
),

effects as (
    select * from starts
    union all
    select * from stops
    union all
    select * from cancels
),

final as (
    select
        effects.clock,
        cast(clocks.ordinal as integer) as clock_no,
        effects.signal,
        bool_or(effects.effect = 'start') as is_start,
        bool_or(effects.effect = 'stop') as is_stop,
        bool_or(effects.effect = 'cancel') as is_cancel,
        clocks.happens = 'once' as is_once,
        clocks.starts_only_open,
        cast(clocks.quiet_s as bigint) as quiet_s
    from effects
    inner join clocks
        on effects.clock = clocks.clock
    group by
        effects.clock, clocks.ordinal, effects.signal, clocks.happens, clocks.starts_only_open,
        clocks.quiet_s
)

select * from final
