{{ config(materialized='table') }}

-- The scope compares what the last build left here with what this one knows.
-- depends_on: {{ ref('int_feedback__case_scope') }}

with

units as (
    select * from {{ ref('int_sla__policy_unit') }}
)

select * from units
