with

cases as (
    select
        *,
        {{ surrogate_key(['source', 'org_path']) }} as path_key
    from {{ ref('stg_flat__cases') }}
),

milestones as (
    select
        source, case_no, 0 as source_seq, 'created' as event_type, created_at as event_at
    from cases
    union all
    select source, case_no, 1, 'public_reply', first_reply_at from cases
    union all
    select source, case_no, 2, 'resolved', resolved_at from cases
    union all
    select source, case_no, 3, 'closed', closed_at from cases
    union all
    -- The row tells the status without its time, so it stands after all that is known.
    select
        source,
        case_no,
        4,
        'status_set',
        case
            when status is not null
                then greatest(created_at, first_reply_at, resolved_at, closed_at)
        end
    from cases
),

placed as (
    select
        cases.*,
        milestones.source_seq,
        milestones.event_type,
        milestones.event_at,
        milestones.event_type = 'created' as is_creation
    from milestones
    inner join cases
        on milestones.source = cases.source and milestones.case_no = cases.case_no
    where milestones.event_at is not null
),

final as (
    select
        {{ event_columns({
            'event_id': "case_no || ':' || event_type",
            'source': "source",
            'source_seq': "source_seq",
            'case_no': "case_no",
            'event_type': "event_type",
            'event_at': "event_at",
            'event_precision':
                "case when event_type = 'status_set' then 'unknown' else created_precision end",
            'recorded_at': "recorded_at",
            'batch_id': "batch_id",
            'actor_role': "case when is_creation then 'reporter' else 'agent' end",
            'is_automatic': "false",
            'org_unit_id': "coalesce(org_unit_id, case when org_path is not null then path_key end)",
            'channel': "case when is_creation then channel end",
            'kind': "case when is_creation then coalesce(kind, 'unrecognised') end",
            'category_path': "case when is_creation then category_path end",
            'reporter_key': "case when is_creation then reporter_key end",
            'status': "case when event_type = 'status_set' then status end",
            'score': "case when is_creation then score end",
            'promised_due_at': "case when is_creation then promised_due_at end",
            'date_flag': "case when is_creation then date_flag end",
            'attributes': "case when is_creation then attributes end",
        }) }}
    from placed
)

select * from final
