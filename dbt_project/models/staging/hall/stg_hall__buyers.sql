with

buyers as (
    {{ latest_version(source('hall', 'buyers'), ['buyer_no']) }}
),

final as (
    select
        buyer_no as buyer_id,
        customer_no as customer_id,
        name as name_key,
        id_card as id_card_key,
        phone as phone_key
    from buyers
)

select * from final
