{{ config(materialized='table') }}

{%- set told = [
    'holder_unit_id', 'holder_id', 'partner_id', 'other_case_no', 'channel', 'kind',
    'category_path', 'customer_id', 'reporter_key', 'reporter_type', 'urgency', 'importance',
    'complexity', 'priority', 'limit_at', 'score', 'promised_due_at', 'date_flag',
] %}

with

events as (
    select * from {{ ref('fct_feedback_event') }}
),

scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

event_types as (
    select * from {{ ref('event_type') }}
),

known as (
    select
        scope.case_id,
        events.event_id,
        events.event_type,
        events.event_at,
        events.event_precision,
        events.source_seq,
        events.is_automatic,
        events.org_unit_id,
        -- A sort carries every column of every row, and few events tell any of these.
        case
            when
                {%- for attribute in told %}
                {{ "or " if not loop.first }}events.{{ attribute }} is not null
                {%- endfor %}
                then [{
                    {%- for attribute in told %}
                    '{{ attribute }}': events.{{ attribute }}{{ "," if not loop.last }}
                    {%- endfor %}
                }]
        end as told,
        case
            when events.event_type = 'status_set' then events.status else event_types.status
        end as new_status,
        coalesce(
            events.actor_role in ('agent', 'handler') and not events.is_automatic, false
        ) as is_by_staff
    from events
    inner join scope
        on events.source = scope.source and events.case_no = scope.case_no
    left join event_types
        on events.event_type = event_types.event_type
    where events.event_at <= {{ as_of() }}
),

-- One order and two frames are one sort, and what a case is reopened from is rarely asked.
placed as (
    select
        *,
        cast(row_number() over so_far as integer) as place,
        last_value(new_status ignore nulls) over so_far as status_after,
        last_value(new_status ignore nulls) over before as status_before,
        last_value(org_unit_id ignore nulls) over before as org_unit_before
    from known
    window
        before as (
            partition by case_id
            order by event_at, source_seq, event_id
            rows between unbounded preceding and 1 preceding
        ),
        so_far as (
            partition by case_id
            order by event_at, source_seq, event_id
            rows between unbounded preceding and current row
        )
),

-- Nothing had ended that could begin again where a case is reopened while it is open.
reopenings as (
    select
        case_id,
        place
    from placed
    where
        event_type = 'reopened'
        and {{ is_ended('status_before') }}
),

reopened as (
    select
        placed.case_id,
        placed.place,
        count(reopenings.place) as reopened_before
    from placed
    inner join reopenings
        on placed.case_id = reopenings.case_id and placed.place >= reopenings.place
    group by placed.case_id, placed.place
),

followed as (
    select
        placed.*,
        placed.event_type = 'reopened'
        and coalesce(
            {{ is_ended('placed.status_before') }}, false
        ) as is_reopening,
        cast(1 + coalesce(reopened.reopened_before, 0) as integer) as cycle
    from placed
    left join reopened
        on placed.case_id = reopened.case_id and placed.place = reopened.place
),

-- Clocks count whole seconds; what came first is decided before.
final as (
    select
        * exclude (told, org_unit_before) replace (
            date_trunc('second', event_at) as event_at,
            nullif(org_unit_id, org_unit_before) as org_unit_id
        ),
        {%- for attribute in told %}
        told[1].{{ attribute }} as {{ attribute }},
        {%- endfor %}
        case
            when event_type = 'public_reply' and is_by_staff then 'response'
            when event_type = 'public_reply' and is_automatic then 'automatic_reply'
            when event_type = 'progress_reply' and not is_by_staff then null
            when event_type = 'public_reply' then null
            when event_type = 'resolved' then 'resolved'
            when event_type = 'reopened' and not is_reopening then null
            when {{ is_ended('new_status') }} then 'ended'
            when event_type in ('status_set', 'voted', 'internal_note') then null
            else event_type
        end as signal
    from followed
)

select * from final
