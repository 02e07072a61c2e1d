with

final as (
    {{ rule_rows('calendar_day') }}
)

select * from final
