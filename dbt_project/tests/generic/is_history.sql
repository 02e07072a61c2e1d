{#-
    The versions of each key (the column) neither overlap nor leave a gap between them, none is
    empty, and the last reaches to 9999-12-31; so a join at a date finds one version at most.
-#}
{% test is_history(model, column_name) %}
with

versions as (
    select
        {{ column_name }},
        valid_from,
        valid_to,
        lead(valid_from) over (
            partition by {{ column_name }} order by valid_from, valid_to
        ) as next_from
    from {{ model }}
)

select *
from versions
where
    {{ column_name }} is null
    or valid_from is null
    or valid_to is null
    or valid_from >= valid_to
    or valid_to is distinct from coalesce(next_from, date '9999-12-31')
{% endtest %}
