{#- Each value of the column stands once and is there: `unique` and `not_null` in one query. -#}
{% test is_key(model, column_name) %}
select
    {{ column_name }},
    count(*) as row_count
from {{ model }}
group by {{ column_name }}
having count(*) > 1 or {{ column_name }} is null
{% endtest %}
