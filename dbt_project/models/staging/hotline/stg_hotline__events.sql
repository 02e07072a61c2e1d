with

events as (
    {{ latest_version(source('hotline', 'events'), ['event_no']) }}
),

codes as (
    select * from {{ ref('hotline_code') }}
),

final as (
    select
        events.event_no as event_id,
        events.case_no,
        coalesce(event_types.value, 'unrecognised') as event_type,
        events.event_at,
        events.actor_no as actor_id,
        events.actor_role,
        coalesce(events.is_automatic, false) as is_automatic,
        events.holder_unit_code as holder_unit_id,
        statuses.value as status,
        events.score,
        kinds.value as kind,
        events.category_path,
        events.priority_code as priority,
        events.limit_at,
        events.partner_no as partner_id,
        events.other_case_no,
        events.holder_no as holder_id,
        {{ json_text({
            'event_code': 'case when event_types.value is null then events.event_code end',
            'status_code': 'case when statuses.value is null then events.status_code end',
            'kind_code': 'case when kinds.value is null then events.kind_code end',
        }) }} as attributes,
        events._recorded_at as recorded_at,
        events._batch_id as batch_id
    from events
    left join codes as event_types
        on events.event_code = event_types.code and event_types.list = 'event'
    left join codes as statuses
        on events.status_code = statuses.code and statuses.list = 'status'
    left join codes as kinds
        on events.kind_code = kinds.code and kinds.list = 'kind'
)

select * from final
