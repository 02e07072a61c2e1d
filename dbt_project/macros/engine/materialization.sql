{#-
    The three ways a model is stored, each as one statement.

    dbt's own build beside the old relation, rename both and drop one, because other engines cannot
    replace a table within a transaction. This one can, and the renaming was most of the time of
    a build of a small home (see DECISIONS, "How models are stored"). Grants, comments, indexes
    and keys of the engine, which dbt's own also tend, are not used in this project.
-#}

{% macro drop_unless_type(relation, type) %}
    {% set existing = load_cached_relation(relation) %}
    {% if existing is not none and existing.type != type %}
        {% do adapter.drop_relation(existing) %}
        {% set existing = none %}
    {% endif %}
    {% do return(existing) %}
{% endmacro %}

{% materialization view, adapter="duckdb" %}
    {% set target = this.incorporate(type="view") %}
    {% do drop_unless_type(this, "view") %}
    {{ run_hooks(pre_hooks) }}
    {% call statement("main") %}
        create or replace view {{ target }} as (
            {{ sql }}
        )
    {% endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {% do return({"relations": [target]}) %}
{% endmaterialization %}

{% materialization table, adapter="duckdb" %}
    {% set target = this.incorporate(type="table") %}
    {% do drop_unless_type(this, "table") %}
    {{ run_hooks(pre_hooks) }}
    {% call statement("main") %}
        create or replace table {{ target }} as (
            {{ sql }}
        )
    {% endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {% do return({"relations": [target]}) %}
{% endmaterialization %}

{#- The hook before it takes the touched rows out, so what is left to do is to add rows. -#}
{% materialization incremental, adapter="duckdb" %}
    {% set target = this.incorporate(type="table") %}
    {% set existing = drop_unless_type(this, "table") %}
    {{ run_hooks(pre_hooks) }}
    {% call statement("main") %}
        {% if existing is none or should_full_refresh() %}
            create or replace table {{ target }} as (
                {{ sql }}
            )
        {% else %}
            insert into {{ target }} by name (
                {{ sql }}
            )
        {% endif %}
    {% endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {% do return({"relations": [target]}) %}
{% endmaterialization %}
