{{ config(materialized='table') }}

with

policies as (
    select * from {{ ref('int_sla__policy') }}
),

units as (
    select * from {{ ref('int_sla__policy_unit') }}
),

bounds as (
    select valid_from as bound_on from units
    union
    select valid_to from units
),

begins as (
    select valid_from as from_at from policies
    union
    select {{ instant_of('cast(bound_on as timestamp)', operator_zone()) }}
    from bounds
    where bound_on > date '1900-01-01' and bound_on < date '9999-12-31'
    union
    select timestamp '1900-01-01 00:00:00'
),

numbered as (
    select
        cast(row_number() over (order by from_at) as integer) as epoch_no,
        from_at
    from begins
),

final as (
    select
        epoch_no,
        from_at,
        from_at = max(case when from_at <= {{ as_of() }} then from_at end) over () as is_present
    from numbered
)

select * from final
