{#-
    What a model promises of its columns, in one query: a node of dbt costs more than such a query.

    `keys`: each value stands once and is there. `required`: there is a value. `values`: the value
    is null or one of the list, by column. `references`: the value is null or one of the column
    `field` of `to`, by column. A row of the result is one broken promise and how many rows
    (of a key: how many values) break it.
-#}
{% test is_sound(model, keys=[], required=[], values={}, references={}) %}
{{ config(fail_calc="coalesce(sum(row_count), 0)") }}
{%- set selects = [] %}
{%- for column in keys + required %}
    {%- do selects.append(broken_promise(column ~ " is null", model, column ~ " is null")) %}
{%- endfor %}
{%- for column in keys %}
    {%- set repeated %}(select {{ column }} from {{ model }} group by all having count(*) > 1){% endset %}
    {%- do selects.append(broken_promise(column ~ " stands more than once", repeated, "true")) %}
{%- endfor %}
{%- for column, accepted in values.items() %}
    {%- set listed = [] %}
    {%- for value in accepted %}
        {%- do listed.append("'" ~ value ~ "'" if value is string else value) %}
    {%- endfor %}
    {%- set other = column ~ " not in (" ~ listed | join(", ") ~ ")" %}
    {%- do selects.append(broken_promise(column ~ " is another value", model, other)) %}
{%- endfor %}
{%- for column, reference in references.items() %}
    {%- set known %}(
        select {{ reference.field }} from {{ reference.to }} where {{ reference.field }} is not null
    ){% endset %}
    {%- set unknown = column ~ " is not null and " ~ column ~ " not in " ~ known %}
    {%- do selects.append(
        broken_promise(column ~ " is not in " ~ reference.to.identifier, model, unknown)
    ) %}
{%- endfor %}
select
    fault,
    row_count
from ({{ selects | join("\nunion all\n") }})
where row_count > 0
{% endtest %}
