with

final as (
    {{ rule_rows('calendar_notice') }}
)

select * from final
