{{ config(materialized='table') }}

with

segments as (
    select * from {{ ref('int_sla__segment') }}
),

settings as (
    select * from {{ ref('int_sla__setting') }}
),

statuses as (
    select * from {{ ref('int_feedback__case_status') }}
),

pausing as (
    select
        setting_no,
        timeline_no,
        is_in_days,
        unit,
        pause_statuses,
        counted_statuses
    from settings
    where pause_statuses is not null or counted_statuses is not null
),

-- A status stops a clock if its policy says so; a clock of certain statuses stops in all others.
final as (
    select
        segments.reading_id,
        segments.segment_no,
        segments.setting_no,
        segments.started_at,
        segments.from_at as segment_from_at,
        pausing.timeline_no,
        pausing.is_in_days,
        pausing.unit,
        statuses.ordinal as status_ordinal,
        greatest(segments.started_at, statuses.valid_from) as from_at,
        least(segments.ended_at, coalesce(statuses.valid_to, segments.ended_at)) as to_at,
        segments.is_open and statuses.valid_to is null as is_open
    from segments
    inner join pausing
        on segments.setting_no = pausing.setting_no
    inner join statuses
        on
            segments.case_id = statuses.case_id
            and statuses.valid_from < segments.ended_at
            and (statuses.valid_to is null or statuses.valid_to > segments.started_at)
            and (
                (
                    pausing.counted_statuses is not null
                    and not {{ list_names('pausing.counted_statuses', 'statuses.status') }}
                )
                or {{ list_names('pausing.pause_statuses', 'statuses.status') }}
            )
)

select * from final
