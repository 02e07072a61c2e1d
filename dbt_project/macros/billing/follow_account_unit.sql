{#-
    Hook of fct_payment: a payment names no unit, so it belongs to its account's unit of today; rows
    of earlier builds follow when the account moves.
-#}
{% macro follow_account_unit(accounts) -%}
    {% if is_incremental() -%}
        update {{ this }} as payment
        set org_unit_id = account.org_unit_id
        from (
            select
                paying.customer_id,
                known.org_unit_id
            from (select distinct customer_id from {{ this }}) as paying
            left join {{ accounts }} as known
                on paying.customer_id = known.customer_id
        ) as account
        where
            payment.customer_id = account.customer_id
            and payment.org_unit_id is distinct from account.org_unit_id
    {%- endif %}
{%- endmacro %}
