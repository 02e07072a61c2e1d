{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_cases(ref('int_feedback__case_scope')) }}"
) }}

with

events as (
    select * from {{ ref('int_feedback__case_event') }}
),

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

assignments as (
    select * from {{ ref('int_feedback__case_assignment') }}
),

votes as (
    select * from events
    where event_type = 'voted' and score is not null
),

-- The unit that had the case last before the vote is the one that is judged.
holders as (
    select
        votes.case_id,
        votes.place,
        max_by(assignments.responsible_unit_id, assignments.ordinal)
            filter (where assignments.responsible_unit_id is not null) as judged_unit_id
    from votes
    inner join assignments
        on votes.case_id = assignments.case_id and assignments.valid_from <= votes.event_at
    group by votes.case_id, votes.place
),

final as (
    select
        {{ surrogate_key(['cases.source', 'votes.event_id']) }} as vote_key,
        {{ surrogate_key(['cases.source', 'cases.case_no']) }} as case_key,
        cases.source,
        cases.case_no,
        votes.cycle,
        votes.event_at as voted_at,
        {{ local_date('votes.event_at') }} as voted_on,
        votes.score,
        row_number() over (partition by votes.case_id order by votes.place) = 1 as is_first,
        row_number() over (partition by votes.case_id order by votes.place desc) = 1 as is_last,
        holders.judged_unit_id,
        cases.org_unit_id,
        cases.kind,
        case
            when cases.category_path is not null
                then {{ surrogate_key(['cases.source', 'cases.category_path']) }}
        end as category_id,
        cases.channel_id
    from votes
    inner join cases
        on votes.case_id = cases.case_id
    left join holders
        on votes.case_id = holders.case_id and votes.place = holders.place
)

select * from final
