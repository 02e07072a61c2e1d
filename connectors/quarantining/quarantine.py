"""The quarantine: rejected records with their batches, found, counted and settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from connectors.landing import explained, only_one
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch, QuarantineRow
from connectors.pii_store import PiiStore
from connectors.rows import where_of
from connectors.scrubbing import scrub
from connectors.sqlite_store import as_text


@dataclass(frozen=True)
class QuarantinedRecord:
    """One rejected record with the batch it came in."""

    batch: Batch
    row: QuarantineRow


@dataclass(frozen=True)
class QuarantineCount:
    """How many records of a stream are in one state for one reason; `column_name` None: all."""

    source: str
    stream: str
    state: str
    column_name: str | None
    reason: str
    records: int
    batches: int


def find_records(
    ledger: Ledger,
    *,
    source: str | None = None,
    stream: str | None = None,
    code: str | None = None,
    batch_id: str | None = None,
    record_no: int | None = None,
    state: str | None = None,
) -> list[QuarantinedRecord]:
    """Rejected records in the order of stream, business date and place.

    `code` is the batch's code, the record's or its reason; `batch_id` may be the beginning of one.
    """
    where, values = where_of(
        {"b.source": source, "b.stream": stream, "q.record_no": record_no, "q.state": state}
    )
    if code is not None:
        where += f"{' and' if where else ' where'} ? in (q.code, q.reason)"
        values.append(code)
    if batch_id is not None:
        where += f"{' and' if where else ' where'} substr(q.batch_id, 1, ?) = ?"
        values += [len(batch_id), batch_id]
    rows = ledger.rows.select(
        QuarantineRow,
        f"select q.* from quarantine q join batch b using (batch_id){where} order by b.source, "
        "b.stream, b.business_date, b.received_at, q.batch_id, q.record_no",
        values,
    )
    batches = {
        batch.batch_id: batch
        for batch in ledger.rows.select(
            Batch,
            "select * from batch where batch_id in "
            f"(select q.batch_id from quarantine q join batch b using (batch_id){where})",
            values,
        )
    }
    return [QuarantinedRecord(batches[row.batch_id], row) for row in rows]


def count_records(records: Iterable[QuarantinedRecord]) -> list[QuarantineCount]:
    """Records by stream, state, column and reason, the most first within a stream."""
    counts: Counter[tuple[str, str, str, str | None, str]] = Counter()
    batches: dict[tuple[str, str, str, str | None, str], set[str]] = {}
    for record in records:
        row = record.row
        group = (
            record.batch.source,
            record.batch.stream,
            row.state,
            row.column_name,
            row.reason,
        )
        counts[group] += 1
        batches.setdefault(group, set()).add(row.batch_id)
    ordered = sorted(counts, key=lambda one: (one[0], one[1], one[2], -counts[one], str(one[3:])))
    return [QuarantineCount(*group, counts[group], len(batches[group])) for group in ordered]


def intend_replay(
    ledger: Ledger, batch_id: str, record_nos: Sequence[int], *, replay_id: str
) -> None:
    """Note which waiting records the batch `replay_id` will settle when it is loaded."""
    with ledger.rows.writing():
        for number in record_nos:
            ledger.rows.execute(
                "update quarantine set note = ? "
                "where batch_id = ? and record_no = ? and state = 'waiting'",
                [replay_id, batch_id, number],
            )


def restate(ledger: Ledger, rows: Iterable[QuarantineRow]) -> None:
    """Note why records still wait: column, reason and masked value of `rows`."""
    with ledger.rows.writing():
        for row in rows:
            ledger.rows.execute(
                "update quarantine set column_name = ?, code = ?, reason = ?, masked_value = ?, "
                "note = null where batch_id = ? and record_no = ? and state = 'waiting'",
                [
                    row.column_name,
                    row.code,
                    row.reason,
                    row.masked_value,
                    row.batch_id,
                    row.record_no,
                ],
            )


def give_up(
    source: str,
    records: Iterable[QuarantinedRecord],
    *,
    home: Path,
    ledger: Ledger,
    pii: PiiStore,
    reason: str,
    now: datetime,
) -> int:
    """Discard waiting records of one source and delete their bytes; returns how many there were.

    Raises LandingBusy while the source is landed or its records are replayed, LandingFailed for
    disk and stores.
    """
    with explained(source, home), only_one(home, source):
        gone = discard(ledger, records, reason=reason, now=now)
        pii.forget_records(gone)
    return len(gone)


def discard(
    ledger: Ledger, records: Iterable[QuarantinedRecord], *, reason: str, now: datetime
) -> list[tuple[str, int]]:
    """Give up waiting records for a reason, which is scrubbed; returns batch and number of each.

    The caller holds the source's lock: a replay may be settling the same records.
    """
    gone = []
    with ledger.rows.writing():
        for record in records:
            done = ledger.rows.execute(
                "update quarantine set state = 'discarded', note = ?, settled_at = ? "
                "where batch_id = ? and record_no = ? and state = 'waiting'",
                [scrub(reason), as_text(now), record.row.batch_id, record.row.record_no],
            )
            if done.rowcount:
                gone.append((record.row.batch_id, record.row.record_no))
    return gone


def forget_unfinished_replays(ledger: Ledger, home: Path, source: str) -> None:
    """Take back replays of a source that were announced and never loaded, with their files.

    The files go first: without its row in the ledger nobody would ever look for one. Only for the
    one process that holds the source's lock: what is announced then is left behind.
    """
    left = [
        batch
        for batch in ledger.batches(source=source, status="announced")
        if batch.replays is not None
    ]
    for batch in left:
        if batch.path is not None:
            (home / batch.path).unlink(missing_ok=True)
    with ledger.rows.writing():
        for batch in left:
            ledger.rows.execute("delete from batch where batch_id = ?", [batch.batch_id])
            ledger.rows.execute(
                "update quarantine set note = null where batch_id = ? and note = ? "
                "and state = 'waiting'",
                [batch.replays, batch.batch_id],
            )
