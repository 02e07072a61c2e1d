"""Full deliveries (`mode: full`): each replaces the one before, unless it is suspiciously small.

What may be wrong with a small one is the sender's own extract; facts would vanish silently. It is
refused as `shrunk` until somebody allows it, which counts for one delivery.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from connectors.contract import Stream
from connectors.errors import RefusedDelivery
from connectors.ledger import Ledger
from connectors.ledger_rows import AllowedShrink, Batch
from connectors.sql_text import literal, quoted


def require_whole(ledger: Ledger, batch: Batch, stream: Stream) -> None:
    """Refuse a full delivery with fewer rows than `shrink_limit` of the loaded one of its branch.

    Rows are those that keep the contract: one that rejects half of them loses half of its facts.
    `batch` has its counts and is not announced yet; the refusal is noted before RefusedDelivery
    (`shrunk`) is raised. A delivery older than the loaded one replaces nothing and may be small.
    """
    if stream.mode != "full" or batch.replays is not None:
        return
    last = _loaded(ledger, batch)
    if last is None or _place(batch) < _place(last):
        return
    rows, before = _good(batch), _good(last)
    if rows >= stream.shrink_limit * before:
        return
    if any(one.rows <= rows for one in allowed(ledger, batch)):
        return
    refusal = RefusedDelivery(
        "shrunk",
        f"{rows} rows after {before} of the delivery before, less than {stream.shrink_limit:.0%}",
    )
    ledger.refuse(replace(batch, code=refusal.code, reason=refusal.reason, supersedes=None))
    raise refusal


def with_vanished(
    batch: Batch,
    staged: Path,
    stream: Stream,
    *,
    home: Path,
    ledger: Ledger,
    connection: duckdb.DuckDBPyConnection,
) -> Batch:
    """Say of a full delivery without another code how many records of the last one it lacks.

    `staged` is its Parquet file. A delivery older than the loaded one deletes nothing.
    """
    if stream.mode != "full" or batch.code is not None:
        return batch
    last = _loaded(ledger, batch)
    if last is None:
        return batch
    if last.path is None or not (home / last.path).exists() or _place(batch) < _place(last):
        return batch
    names = ", ".join(map(quoted, stream.key))
    before, now = (f"read_parquet({literal(str(path))})" for path in (home / last.path, staged))
    # A compacted file holds other deliveries too, such as those of other branches.
    own = f"_batch_id = {literal(last.batch_id)}"
    found = connection.execute(
        f"select count(*) from (select {names} from {before} where {own} "
        f"except select {names} from {now})"
    ).fetchone()
    if found is None or not found[0]:
        return batch
    reason = f"{found[0]} records of the delivery before are missing"
    return replace(batch, code="deletion", reason=reason)


def allowed(ledger: Ledger, batch: Batch) -> list[AllowedShrink]:
    """The allowances that stand for the branch of a batch."""
    return ledger.rows.select(
        AllowedShrink,
        "select * from allowed_shrink where source = ? and stream = ? and branch = ?",
        [batch.source, batch.stream, batch.branch],
    )


def allow_shrink(
    ledger: Ledger,
    source: str,
    stream: str,
    *,
    rows: int | None,
    by: str,
    now: datetime,
) -> list[Batch]:
    """Allow the refused small deliveries of a stream down to `rows` and have them read again.

    Without `rows`, exactly those that wait. Returns them; none when nothing is waiting, or each has
    fewer than `rows`.
    """
    refused = ledger.batches(source=source, stream=stream, status="refused")
    waiting = [
        batch
        for batch in refused
        if batch.code == "shrunk" and (rows is None or _good(batch) >= rows)
    ]
    with ledger.rows.writing():
        for batch in waiting:
            least = _good(batch) if rows is None else rows
            allowance = AllowedShrink(source, stream, batch.branch, least, by, now)
            ledger.rows.insert("allowed_shrink", allowance, "or replace")
    for batch in waiting:
        ledger.reopen(batch.batch_id)
    return waiting


def _loaded(ledger: Ledger, batch: Batch) -> Batch | None:
    loaded = ledger.batches(
        source=batch.source, stream=batch.stream, branch=batch.branch, status="loaded"
    )
    return max((one for one in loaded if one.replays is None), key=_place, default=None)


def _good(batch: Batch) -> int:
    """Rows that keep the contract; `rows_loaded` of a refused batch is 0."""
    return batch.rows - batch.rejected


def _place(batch: Batch) -> tuple[object, ...]:
    return batch.business_date, batch.sequence or 0, batch.sent_at or batch.received_at
