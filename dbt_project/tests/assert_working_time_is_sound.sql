-- Working intervals do not overlap, and no case worked longer than the clock ran.
with

intervals as (
    select
        calendar_id,
        zone,
        starts_at,
        ends_at,
        lead(starts_at) over (
            partition by calendar_id, zone, evaluation order by starts_at
        ) as next_starts_at
    from {{ ref('calendar_interval') }}
),

cases as (
    select * from {{ ref('fct_case') }}
),

final as (
    select
        'interval' as part,
        calendar_id || ' ' || zone as id
    from intervals
    where ends_at <= starts_at or ends_at > next_starts_at
    union all
    select
        'case',
        case_key
    from cases
    where
        first_reply_working_s not between 0 and first_reply_s
        or resolution_working_s not between 0 and resolution_s
)

select * from final
