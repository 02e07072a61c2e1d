with

settings as (
    select * from {{ source('build', 'source_setting') }}
),

events as (
    select * from {{ ref('fct_feedback_event') }}
),

levels as (
    select * from {{ ref('int_rule__calendar_level') }}
),

build as (
    select * from {{ source('build', 'build') }}
),

-- Cases of a source that is read no longer still have clocks.
sources as (
    select source from settings
    union
    select source from events
),

asked as (
    select
        sources.source,
        coalesce(settings.calendar_id, build.calendar_id) as calendar_id,
        coalesce(settings.zone, build.zone) as source_zone
    from sources
    left join settings
        on sources.source = settings.source
    cross join build
),

final as (
    select
        asked.source,
        asked.calendar_id,
        asked.source_zone,
        coalesce(levels.zone, asked.source_zone) as zone
    from asked
    left join levels
        on asked.calendar_id = levels.calendar_id and levels.level = 0
)

select * from final
