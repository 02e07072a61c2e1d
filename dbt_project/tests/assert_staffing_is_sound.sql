{{ config(severity='warn') }}

-- No team has more people on leave than it has.
select
    org_unit_id,
    staffed_on,
    headcount,
    on_leave
from {{ ref('fct_staffing') }}
where on_leave > headcount
