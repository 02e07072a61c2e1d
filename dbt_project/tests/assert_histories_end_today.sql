-- The last version of every history is what the dimension of today shows, and a join at a date finds
-- one version for every key.
with

final as (
    {%- for history, current, key, columns in [
        (
            'dim_org_history', 'dim_org', 'org_unit_id',
            ['name', 'name_en', 'level', 'unit_type', 'path', 'l1_id', 'l2_id', 'l3_id', 'l4_id'],
        ),
        ('dim_staff_history', 'dim_staff', 'staff_id', ['org_unit_id', 'position']),
        (
            'dim_customer_history', 'dim_customer', 'customer_id',
            ['org_unit_id', 'manager_id', 'segment'],
        ),
    ] %}
    select
        '{{ history }}' as history,
        today.{{ key }} as id
    from {{ ref(current) }} as today
    left join {{ ref(history) }} as version
        on
            today.{{ key }} = version.{{ key }}
            and version.valid_from <= date '9999-12-30'
            and version.valid_to > date '9999-12-30'
    group by today.{{ key }}
    having
        count(*) <> 1
        {%- for column in columns %}
        or max(today.{{ column }}) is distinct from max(version.{{ column }})
        {%- endfor %}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select * from final
