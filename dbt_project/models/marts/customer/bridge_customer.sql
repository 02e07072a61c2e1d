with

matched as (
    select * from {{ ref('int_customer__match') }}
),

final as (
    select
        {{ surrogate_key(['source', 'source_no']) }} as record_key,
        source,
        source_no,
        told_no as told_customer_id,
        customer_id,
        rule
    from matched
)

select * from final
