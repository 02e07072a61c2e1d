{{ config(materialized='table') }}

with

readings as (
    select * from {{ ref('int_sla__reading') }}
),

settings as (
    select * from {{ ref('int_sla__setting') }}
),

pieces as (
    select * from {{ ref('int_time__working_piece') }}
),

due_pieces as (
    select * from {{ ref('int_time__due_piece') }}
),

open_readings as (
    select
        readings.reading_id,
        readings.due_at,
        readings.start_s,
        readings.end_s,
        readings.elapsed_s,
        readings.paused_s,
        readings.target,
        settings.timeline_no,
        settings.is_in_days,
        settings.first_warning
    from readings
    inner join settings
        on readings.setting_no = settings.setting_no
    where readings.is_open and not readings.is_breached
),

reached as (
    select
        open_readings.*,
        {{ working_position('due_position', 'open_readings.due_at') }} as due_position_s
    from open_readings
    {{ join_position(
        'pieces', 'due_position', 'open_readings.timeline_no', 'open_readings.due_at'
    ) }}
),

measured as (
    select
        *,
        -- The limit in working seconds without pauses, also where it is counted in days.
        coalesce(
            case when not is_in_days then target end,
            due_position_s - start_s - paused_s
        ) as limit_s
    from reached
),

planned as (
    select
        *,
        case
            when due_at is null and not is_in_days and limit_s is not null
                then end_s + greatest(limit_s - elapsed_s, 1)
        end as resumed_due_s,
        case
            when due_at is not null and first_warning is not null
                then
                start_s + paused_s
                + greatest(cast(ceil(first_warning * limit_s) as bigint), 1)
        end as risk_s
    from measured
),

resumed as (
    select
        planned.*,
        {{ working_instant('resumed_piece', 'planned.resumed_due_s') }} as due_if_resumed_at
    from planned
    {{ join_instant(
        'due_pieces', 'resumed_piece', 'planned.timeline_no', 'planned.resumed_due_s'
    ) }}
),

final as (
    select
        resumed.reading_id,
        resumed.limit_s,
        resumed.due_if_resumed_at,
        {{ working_instant('risk_piece', 'resumed.risk_s') }} as at_risk_at
    from resumed
    {{ join_instant('due_pieces', 'risk_piece', 'resumed.timeline_no', 'resumed.risk_s') }}
)

select * from final
