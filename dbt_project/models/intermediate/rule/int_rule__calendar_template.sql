with

final as (
    {{ rule_rows('calendar_template') }}
)

select * from final
