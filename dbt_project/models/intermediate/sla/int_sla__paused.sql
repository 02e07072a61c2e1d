{{ config(materialized='table') }}

with

pauses as (
    select * from {{ ref('int_sla__pause') }}
),

settings as (
    select * from {{ ref('int_sla__setting') }}
),

targets as (
    select * from {{ ref('int_sla__target') }}
),

judged as (
    select
        pauses.*,
        case
            when settings.target is null then true
            when not settings.is_in_days
                then pauses.before_s < coalesce(targets.target, settings.target)
            when pauses.before_days <> settings.target
                then pauses.before_days < settings.target
            -- It began on the last day itself, or after it on a day that counts for nothing.
            when settings.unit = 'working_days' and not pauses.is_from_working_day then false
            else settings.ends = 'midnight' or pauses.from_at < pauses.from_closes_at
        end as is_before_due
    from pauses
    inner join settings
        on pauses.setting_no = settings.setting_no
    left join targets
        on
            pauses.reading_id = targets.reading_id
            and pauses.segment_no = targets.segment_no
),

-- What follows a pause that began after the due time began after it too, though pauses of whole
-- days may have added nothing to the days counted since.
followed as (
    select
        * exclude (is_before_due),
        bool_and(is_before_due) over (
            partition by reading_id, segment_no order by from_at, status_ordinal
            rows between unbounded preceding and current row
        ) as is_before_due
    from judged
),

final as (
    select
        reading_id,
        segment_no,
        cast(sum(paused_s) as bigint) as paused_s,
        cast(coalesce(sum(paused_s) filter (where is_before_due), 0) as bigint)
            as paused_before_due_s,
        cast(coalesce(sum(paused_days) filter (where is_before_due), 0) as bigint)
            as paused_before_due_days,
        max(case when is_open and is_before_due then 1 else 0 end) = 1 as is_open_before_due,
        max(case when is_open then 1 else 0 end) = 1 as is_open
    from followed
    group by reading_id, segment_no
)

select * from final
