{{ config(severity='warn') }}

-- No rules of category_remap lead round in a circle on the business date.
select
    source,
    path,
    place_path
from {{ ref('int_feedback__category_place') }}
where is_cut and {{ business_date() }} >= valid_from and {{ business_date() }} < valid_to
