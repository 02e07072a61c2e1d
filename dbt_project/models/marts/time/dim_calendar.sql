with

calendars as (
    {{ rule_rows('calendar') }}
),

final as (
    select
        calendar_id,
        label_zh,
        label_en,
        base_calendar_id,
        zone,
        coalesce(needs_notice, false) as needs_notice,
        is_operator
    from calendars
    qualify row_number() over (partition by calendar_id order by row_order desc) = 1
)

select * from final
