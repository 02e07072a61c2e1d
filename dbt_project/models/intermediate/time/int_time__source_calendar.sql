with

settings as (
    select * from {{ source('build', 'source_setting') }}
),

build as (
    select * from {{ source('build', 'build') }}
),

final as (
    select
        settings.source,
        coalesce(settings.calendar_id, build.calendar_id) as calendar_id,
        coalesce(settings.zone, build.zone) as zone
    from settings
    cross join build
)

select * from final
