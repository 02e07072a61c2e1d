with

letters as (
    {{ latest_version(source('letters', 'letters'), ['letter_no']) }}
),

codes as (
    select * from {{ ref('source_code') }}
    where source = 'letters'
),

final as (
    select
        letters.letter_no as case_no,
        letters.received_on,
        letters.registered_on,
        letters.answered_on,
        letters.sender_phone as reporter_key,
        coalesce(kinds.value, 'unrecognised') as kind,
        letters.category_path,
        letters.unit_code as org_unit_id,
        letters.registrar_no as registrar_id,
        letters.content as text,
        {{ json_text({
            'kind_word': 'case when kinds.value is null then letters.kind_word end',
            'registrar_no': 'letters.registrar_no',
        }) }} as attributes,
        letters._recorded_at as recorded_at,
        letters._batch_id as batch_id
    from letters
    left join codes as kinds
        on letters.kind_word = kinds.code and kinds.list = 'kind'
)

select * from final
