with

settings as (
    select * from {{ source('build', 'source_setting') }}
),

batches as (
    select * from {{ source('build', 'delivery') }}
),

events as (
    select * from {{ source('build', 'exchange_event') }}
),

names as (
    select source from settings
    union
    select source from batches
    union
    select source from events
),

final as (
    select
        names.source,
        coalesce(settings.label_zh, names.source) as label_zh,
        coalesce(settings.label_en, names.source) as label_en
    from names
    left join settings
        on names.source = settings.source
)

select * from final
