with

cases as (
    {{ latest_version(source('intake', 'cases'), ['case_no']) }}
),

kinds as (
    select * from {{ ref('kind') }}
),

channels as (
    select * from {{ ref('channel') }}
),

final as (
    select
        cases.case_no,
        cases.source_seq,
        cases.created_at,
        cases.created_precision,
        cases.reporter_key,
        coalesce(kinds.kind, 'unrecognised') as kind,
        cases.category_path,
        coalesce(channels.channel_id, 'unrecognised') as channel,
        cases.org_unit_id,
        cases.content as text,
        cases.promised_due_at,
        {{ json_text({
            'kind': 'case when kinds.kind is null then cases.kind end',
            'channel': 'case when channels.channel_id is null then cases.channel end',
            'answers': 'cases.answers',
            'language': 'cases.language',
            'entry_point': 'cases.entry_point',
            'form': 'cases.form',
            'recorded_by': 'cases.recorded_by',
            'promised_policy': 'cases.promised_policy',
            'is_flood': 'case when cases.is_flood then true end',
        }) }} as attributes,
        cases.received_at as recorded_at,
        cases._batch_id as batch_id
    from cases
    left join kinds
        on cases.kind = kinds.kind
    left join channels
        on cases.channel = channels.channel_id
)

select * from final
