with

staffing as (
    {{ latest_version(source('hr', 'staffing'), ['unit_code', 'day']) }}
),

final as (
    select
        unit_code as org_unit_id,
        day as staffed_on,
        headcount,
        on_leave,
        _branch as source_branch
    from staffing
    where state is distinct from 'void'
)

select * from final
