-- The models whose key has several columns have one row per key.
{% set grains = {
    'calendar_date': ['calendar_id', 'evaluation', 'date_on'],
    'calendar_interval': ['calendar_id', 'zone', 'evaluation', 'starts_at'],
    'bridge_org_closure': ['ancestor_id', 'descendant_id', 'valid_from'],
    'fct_arrears_daily': ['customer_id', 'balance_on'],
    'fct_arrears_monthly': ['customer_id', 'month_on'],
    'fct_customer_monthly': ['customer_id', 'month_on'],
} %}
with

final as (
    {%- for model, key in grains.items() %}
    select
        '{{ model }}' as model,
        count(*) as faults
    from (
        select 1
        from {{ ref(model) }}
        group by {{ key | join(', ') }}
        having count(*) > 1
    )
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select * from final where faults > 0
