{{ config(materialized='table') }}

with

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

dues as (
    select * from {{ ref('int_feedback__case_due') }}
),

intervals as (
    select * from {{ ref('calendar_interval') }}
),

milestones as (
    select source, case_no, 'created' as milestone, created_at as at
    from cases
    union all
    select source, case_no, 'first_reply', first_reply_at
    from cases
    union all
    select source, case_no, 'first_resolved', first_resolved_at
    from cases
),

points as (
    select
        milestones.source,
        milestones.case_no,
        milestones.milestone,
        milestones.at,
        dues.calendar_id,
        dues.zone
    from milestones
    inner join dues
        on milestones.source = dues.source and milestones.case_no = dues.case_no
    where milestones.at is not null
),

final as (
    {{ working_position('points', 'intervals') }}
)

select * from final
