with

clocks as (
    select * from {{ ref('sla_clock') }}
),

final as (
    select
        clock,
        cast(ordinal as integer) as ordinal,
        label_zh,
        label_en,
        start_signals,
        stop_signals,
        cancel_signals,
        counted_statuses
    from clocks
)

select * from final
