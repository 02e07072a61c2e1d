with

batches as (
    select * from {{ source('build', 'delivery') }}
),

final as (
    select
        batch_id,
        source,
        stream,
        branch,
        interface,
        business_date,
        covers_from,
        sequence,
        case when code = 'expired' then 'expired' else status end as status,
        code,
        replays as replays_batch_id,
        supersedes as supersedes_batch_id,
        rows as row_count,
        rows_loaded,
        rejected as rows_rejected,
        received_at,
        {{ local_date('received_at') }} as received_on,
        loaded_at,
        replays is null as is_delivery,
        replays is null and (status = 'loaded' or coalesce(code, '') = 'expired') as is_standing
    from batches
)

select * from final
