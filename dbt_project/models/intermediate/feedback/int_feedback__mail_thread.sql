with

messages as (
    select * from {{ ref('stg_mail__messages') }}
),

final as (
    select
        *,
        row_number() over thread as place,
        sender_key is not distinct from first_value(sender_key) over thread
        or recipient is not distinct from first_value(recipient) over thread as is_from_outside
    from messages
    where not is_automatic
    window thread as (
        partition by case_no
        order by received_at asc nulls last, message_id asc
        rows between unbounded preceding and current row
    )
)

select * from final
