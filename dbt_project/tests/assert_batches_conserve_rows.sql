-- Of every batch whose rows count, each record that was read was either loaded or rejected; of one
-- that was refused none was loaded.
select
    batch_id,
    status,
    row_count,
    rows_loaded,
    rows_rejected
from {{ ref('fct_batch') }}
where
    (is_standing and row_count <> rows_loaded + rows_rejected)
    or (status = 'refused' and rows_loaded <> 0)
