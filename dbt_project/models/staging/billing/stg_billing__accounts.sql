with

accounts as (
    {{ latest_version(source('billing', 'accounts'), ['account_no']) }}
),

final as (
    select
        account_no as account_id,
        customer_no as customer_id,
        holder_name as name_key,
        id_card as id_card_key,
        phone as phone_key,
        opened_on
    from accounts
)

select * from final
