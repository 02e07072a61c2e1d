-- The stays of a case in its statuses follow each other without a gap, the last one lasts and is
-- the status of the case, and no stay with a holder overlaps another.
with

statuses as (
    select * from {{ ref('fct_case_status') }}
),

assignments as (
    select * from {{ ref('fct_case_assignment') }}
),

cases as (
    select * from {{ ref('fct_case') }}
),

stays as (
    select
        case_key,
        status,
        valid_from,
        valid_to,
        lead(valid_from) over (partition by case_key order by ordinal) as next_from,
        row_number() over (partition by case_key order by ordinal desc) = 1 as is_last
    from statuses
),

holdings as (
    select
        case_key,
        valid_from,
        valid_to,
        lead(valid_from) over (partition by case_key order by ordinal) as next_from
    from assignments
),

final as (
    select
        'status' as part,
        stays.case_key
    from stays
    where
        stays.valid_to is distinct from stays.next_from
        or stays.valid_to < stays.valid_from
    union all
    select
        'last status',
        cases.case_key
    from cases
    left join stays
        on cases.case_key = stays.case_key and stays.is_last
    where cases.status is distinct from stays.status
    union all
    select
        'holder',
        case_key
    from holdings
    where
        valid_to < valid_from
        or next_from < coalesce(valid_to, timestamp '9999-12-31')
)

select * from final
