{{ config(materialized='table') }}

with

build as (
    select * from {{ source('build', 'build') }}
),

spine as (
    {{ day_spine(
        "date '1970-01-01'", "cast(" ~ as_of() ~ " as date) + 2200"
    ) }}
),

bounded as (
    select
        spine.date_on,
        {{ instant_of('cast(spine.date_on as timestamp)', 'build.zone') }} as from_at,
        {{ instant_of('cast(spine.date_on + 1 as timestamp)', 'build.zone') }} as to_at
    from spine
    cross join build
),

final as (
    select
        {{ each_day('cast(from_at as date)', "cast(to_at - interval 1 second as date)") }}
            as bucket_on,
        from_at,
        to_at,
        date_on
    from bounded
)

select * from final
