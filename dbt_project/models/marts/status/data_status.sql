with

build as (
    select * from {{ source('build', 'build') }}
),

batches as (
    select * from {{ source('build', 'batch') }}
),

final as (
    select
        build_id,
        business_date,
        timezone(zone, timezone('UTC', as_of)) as as_of_local,
        zone
    from build
    where exists (select 1 from batches where change != 'gone')
)

select * from final
