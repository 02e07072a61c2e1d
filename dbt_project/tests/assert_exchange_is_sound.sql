-- Of every batch whose rows count, each record that was read was either loaded or rejected; of one
-- that was refused none was loaded. What batches and events are counted by is never empty. One
-- query instead of a test for each column, since each costs a build more than its answer.
select
    batch_id as faulty
from {{ ref('fct_batch') }}
where
    (is_standing and row_count <> rows_loaded + rows_rejected)
    or (status = 'refused' and rows_loaded <> 0)
    or source is null
    or stream is null
    or branch is null
    or business_date is null
    or received_on is null
union all
select event_key
from {{ ref('fct_exchange_event') }}
where
    code is null
    or source is null
    or noted_on is null
    or noted_s is null
    or is_open is distinct from (settled_at is null)
