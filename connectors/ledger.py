"""The ledger: what was delivered and what became of it (`ledger.db`).

Rows are frozen values; instants are aware UTC. The ledger holds ids, codes and masked values, never
a personal value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from connectors.ledger_rows import (
    Batch,
    BatchKey,
    CheckResult,
    Confirmation,
    ExchangeEvent,
    QuarantineRow,
    SnapshotLogRow,
)
from connectors.ledger_schema import MIGRATIONS
from connectors.rows import Rows, where_of
from connectors.sqlite_store import as_instant, as_text, open_store, transaction

Row = TypeVar("Row")

# Interfaces whose sources are told nothing about a batch.
_NEVER_CONFIRMED = {"inbox", "extract"}


class Ledger:
    """The ledger of one home; use one object per thread, close it or use it as a context."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_store(path, MIGRATIONS)
        self.rows = Rows(self._connection)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store."""
        self._connection.close()

    def home_id(self) -> str:
        """The id that a home keeps wherever it is moved; a partner's claims carry it."""
        return str(self._connection.execute("select home_id from home").fetchone()[0])

    # Batches

    def batch(self, batch_id: str) -> Batch | None:
        """Return one batch, or None."""
        found = self.rows.select(Batch, "select * from batch where batch_id = ?", [batch_id])
        return found[0] if found else None

    def batches(
        self,
        *,
        source: str | None = None,
        stream: str | None = None,
        branch: str | None = None,
        status: str | None = None,
    ) -> list[Batch]:
        """List batches in the order of source, stream, business date, sequence and arrival."""
        given = {"source": source, "stream": stream, "branch": branch, "status": status}
        where, values = where_of(given)
        return self.rows.select(
            Batch,
            f"select * from batch{where} order by source, stream, branch, business_date, "
            "sequence, received_at, batch_id",
            values,
        )

    def count_batches(self, source: str, stream: str) -> int:
        """Count the batches of a stream, from an index alone."""
        row = self._connection.execute(
            "select count(*) from batch where source = ? and stream = ?", [source, stream]
        ).fetchone()
        return int(row[0])

    def last_arrival(self, source: str, stream: str) -> datetime | None:
        """When the latest batch of a stream came, from an index alone."""
        row = self._connection.execute(
            "select received_at from batch indexed by batch_by_arrival "
            "where source = ? and stream = ? order by received_at desc limit 1",
            [source, stream],
        ).fetchone()
        return None if row is None else as_instant(row[0])

    def recent_batches(self, source: str, stream: str, since: date) -> list[Batch]:
        """The batches of a stream that end on `since` or later, and each branch's last before.

        Of those before, only loaded ones count. In the order of `batches`.
        """
        return self.rows.select(
            Batch,
            "select * from batch where source = ?1 and stream = ?2 "
            "and (business_date >= ?3 or batch_id in ("
            "select (select batch_id from batch as one where one.source = ?1 "
            "and one.stream = ?2 and one.branch = known.branch and one.status = 'loaded' "
            "and one.business_date < ?3 order by one.business_date desc limit 1) "
            "from (select distinct branch from batch where source = ?1 and stream = ?2) "
            "as known)) order by branch, business_date, sequence, received_at, batch_id",
            [source, stream, since.isoformat()],
        )

    def replays_of(self, batch_id: str, *, status: str | None = None) -> list[Batch]:
        """List the batches that hold replayed records of another, by arrival."""
        where, values = where_of({"replays": batch_id, "status": status})
        return self.rows.select(
            Batch, f"select * from batch{where} order by loaded_at, batch_id", values
        )

    def refused_batches(self, source: str, code: str) -> list[Batch]:
        """List the refused batches of a source with one code, from an index alone."""
        return self.rows.select(
            Batch,
            "select * from batch indexed by batch_refused "
            "where source = ? and code = ? and status = 'refused'",
            [source, code],
        )

    def loaded_batches(self, sources: Sequence[str] | None = None) -> list[Batch]:
        """List the batches a build reads: loaded and not superseded."""
        loaded = self.batches(status="loaded")
        return loaded if sources is None else [item for item in loaded if item.source in sources]

    def loaded_keys(self) -> list[BatchKey]:
        """Name the batches a build reads, from an index alone."""
        return self.rows.select(
            BatchKey,
            "select batch_id, source, stream from batch where status = 'loaded' "
            "order by source, stream, batch_id",
            [],
        )

    def last_sequence(self, source: str, stream: str) -> int:
        """The highest sequence of a batch that is no more only announced; 0 for none."""
        return self._sequence("batch_settled", "status <> 'announced'", "desc", source, stream) or 0

    def announced_sequence(self, source: str, stream: str) -> int | None:
        """The lowest sequence of a batch that was announced and not finished, or None."""
        return self._sequence("batch_announced", "status = 'announced'", "asc", source, stream)

    def announce(self, batch: Batch) -> Batch:
        """Note that `batch` is about to be loaded; a repeat keeps the first arrival time."""
        known = self.batch(batch.batch_id)
        if known is not None:
            batch = replace(batch, received_at=known.received_at)
            if known.status in {"loaded", "superseded"}:
                return known
        batch = replace(batch, status="announced", loaded_at=None)
        with transaction(self._connection):
            self._put(batch)
        return batch

    def load(
        self,
        batch: Batch,
        rejected: Iterable[QuarantineRow],
        *,
        now: datetime,
        whole: bool = False,
    ) -> Batch:
        """Mark an announced batch loaded with its quarantine rows and counts, in one step.

        In the same transaction the batch named in `supersedes` becomes superseded, with the replays
        of its records; what waits of it in quarantine is discarded. A batch becomes superseded
        itself where one of its number is loaded that was sent later. With `whole` (mode full) only
        the branch's latest delivery stays loaded, whatever the order in which they came, and what
        was allowed to shrink is used up. The records that a replay was to settle become replayed.
        """
        loaded = replace(batch, status="loaded", loaded_at=now)
        with transaction(self._connection):
            self._put(loaded)
            self._put_quarantine(batch.batch_id, rejected)
            self._put_reconciliation(batch)
            if batch.replays is None and batch.interface not in _NEVER_CONFIRMED:
                self._connection.execute(
                    "insert or ignore into awaiting_confirmation select ?, ? "
                    "where not exists (select 1 from confirmation where batch_id = ?)",
                    [batch.source, batch.batch_id, batch.batch_id],
                )
            if batch.supersedes:
                self._supersede(batch.supersedes, batch.batch_id, now)
            if (newer := self.sent_later(batch)) is not None:
                self._supersede(batch.batch_id, newer.batch_id, now)
            if whole and batch.replays is None:
                for earlier, later in self._replaced_deliveries(batch):
                    self._supersede(earlier, later, now)
                self._connection.execute(
                    "delete from allowed_shrink where source = ? and stream = ? and branch = ?",
                    [batch.source, batch.stream, batch.branch],
                )
            if batch.replays:
                self._connection.execute(
                    "update quarantine set state = 'replayed', settled_at = ? "
                    "where batch_id = ? and state = 'waiting' and note = ?",
                    [as_text(now), batch.replays, batch.batch_id],
                )
        return self.batch(batch.batch_id) or loaded

    def sent_later(self, batch: Batch) -> Batch | None:
        """The loaded batch with the number of `batch` that its sender sent after it."""
        if batch.sent_at is None or batch.sequence is None or batch.replays is not None:
            return None
        found = self.rows.select(
            Batch,
            "select * from batch where source = ? and stream = ? and branch = ? and sequence = ? "
            "and business_date = ? and status = 'loaded' and replays is null and sent_at > ? "
            "order by sent_at desc limit 1",
            [
                batch.source,
                batch.stream,
                batch.branch,
                batch.sequence,
                batch.business_date.isoformat(),
                as_text(batch.sent_at),
            ],
        )
        return found[0] if found else None

    def refuse(self, batch: Batch, rejected: Iterable[QuarantineRow] = ()) -> Batch:
        """Note a refused batch with its code and reason; none of its rows is loaded."""
        known = self.batch(batch.batch_id)
        if known is not None:
            batch = replace(batch, received_at=known.received_at)
        refused = replace(batch, status="refused", rows_loaded=0, path=None)
        with transaction(self._connection):
            self._put(refused)
            self._put_quarantine(batch.batch_id, rejected)
            self._put_reconciliation(batch)
        return refused

    def reopen(self, batch_id: str) -> None:
        """Have a refused batch looked at again by the next landing, as if its log had changed."""
        with transaction(self._connection):
            self._connection.execute(
                "update batch set log_sha256 = '' where batch_id = ? and status = 'refused'",
                [batch_id],
            )
            self._connection.execute(
                "delete from extract_look where (source, stream) in "
                "(select source, stream from batch where batch_id = ?)",
                [batch_id],
            )

    def quarantine(
        self, *, batch_id: str | None = None, state: str | None = None
    ) -> list[QuarantineRow]:
        """List rejected records by batch and record."""
        where, values = where_of({"batch_id": batch_id, "state": state})
        return self.rows.select(
            QuarantineRow,
            f"select * from quarantine{where} order by batch_id, record_no",
            values,
        )

    # Exchange events

    def note_event(
        self,
        code: str,
        *,
        source: str,
        stream: str,
        detail: str,
        now: datetime,
        branch: str = "main",
        business_date: date | None = None,
        batch_id: str | None = None,
        file: str | None = None,
    ) -> bool:
        """Note an exchange event once, and anew after it was settled; return whether it is new."""
        about = [code, source, stream, branch, str(business_date), batch_id, file, detail]
        fingerprint = hashlib.sha256(json.dumps(about).encode()).hexdigest()
        with transaction(self._connection):
            cursor = self._connection.execute(
                "insert or ignore into exchange_event (fingerprint, code, source, stream, branch, "
                "business_date, batch_id, file, detail, at) values (?,?,?,?,?,?,?,?,?,?)",
                [
                    fingerprint,
                    code,
                    source,
                    stream,
                    branch,
                    business_date and business_date.isoformat(),
                    batch_id,
                    file,
                    detail,
                    as_text(now),
                ],
            )
        return cursor.rowcount > 0

    def exchange_events(
        self, *, unresolved: bool = False, source: str | None = None, code: str | None = None
    ) -> list[ExchangeEvent]:
        """List exchange events in the order they were noted."""
        where, values = where_of({"source": source, "code": code})
        if unresolved:
            where += (" and " if where else " where ") + "resolved_at is null"
        return self.rows.select(
            ExchangeEvent, f"select * from exchange_event{where} order by event_id", values
        )

    def resolve_event(self, event_id: int, *, now: datetime) -> None:
        """Mark an exchange event as settled."""
        with transaction(self._connection):
            self._connection.execute(
                "update exchange_event set resolved_at = ? "
                "where event_id = ? and resolved_at is null",
                [as_text(now), event_id],
            )

    # Tables that were read to their end

    def note_read(self, source: str, stream: str, *, now: datetime) -> None:
        """Note that every row a table offered at `now` has been settled."""
        with transaction(self._connection):
            self._connection.execute(
                "insert into interface_read values (?, ?, ?) on conflict (source, stream) "
                "do update set read_at = max(read_at, excluded.read_at)",
                [source, stream, as_text(now)],
            )

    def note_look(self, source: str, stream: str, *, now: datetime) -> None:
        """Note that an extract was read at `now`, whatever became of its rows."""
        with transaction(self._connection):
            self._connection.execute(
                "insert or replace into extract_look values (?, ?, ?)",
                [source, stream, as_text(now)],
            )

    def last_looks(self) -> dict[tuple[str, str], datetime]:
        """When each extract (source, stream) was last read; reopening a refused one forgets it."""
        rows = self._connection.execute("select source, stream, looked_at from extract_look")
        return {(row[0], row[1]): as_instant(row[2]) for row in rows}

    def last_reads(self) -> dict[tuple[str, str], datetime]:
        """When each table (source, stream) was last read to its end."""
        rows = self._connection.execute("select source, stream, read_at from interface_read")
        return {(row[0], row[1]): as_instant(row[2]) for row in rows}

    # Confirmations, checks, snapshots

    def confirm(self, confirmation: Confirmation) -> None:
        """Note that the source has been told about a batch."""
        self.confirm_all([confirmation])

    def confirm_all(self, confirmations: Iterable[Confirmation]) -> None:
        """Note that the source has been told about several batches, in one step."""
        with transaction(self._connection):
            for confirmation in confirmations:
                self.rows.insert("confirmation", confirmation, "or replace")
                self._connection.execute(
                    "delete from awaiting_confirmation where batch_id = ? and source = "
                    "(select source from batch where batch_id = ?)",
                    [confirmation.batch_id, confirmation.batch_id],
                )

    def confirmations(self) -> list[Confirmation]:
        """List all confirmations by batch."""
        return self.rows.select(Confirmation, "select * from confirmation order by batch_id", [])

    def unconfirmed(self, source: str) -> list[Batch]:
        """List loaded batches of a source that have not been confirmed to it yet."""
        return self.rows.select(
            Batch,
            "select batch.* from awaiting_confirmation as waiting "
            "cross join batch using (batch_id) "
            "where waiting.source = ? and status in ('loaded', 'superseded') order by batch_id",
            [source],
        )

    def append_check_results(self, results: Iterable[CheckResult]) -> None:
        """Append check results of a build."""
        with transaction(self._connection):
            for result in results:
                self.rows.insert("check_result", result)

    def check_results(self, build_id: str | None = None) -> list[CheckResult]:
        """List check results, of one build or all, in the order they were appended."""
        where, values = where_of({"build_id": build_id})
        return self.rows.select(
            CheckResult, f"select * from check_result{where} order by check_id", values
        )

    def last_check_result(self, name: str) -> CheckResult | None:
        """The result of this name that was appended last."""
        found = self.rows.select(
            CheckResult,
            "select * from check_result where name = ? order by check_id desc limit 1",
            [name],
        )
        return found[0] if found else None

    def append_snapshot(self, row: SnapshotLogRow) -> None:
        """Append a published snapshot; the same tag again changes nothing."""
        with transaction(self._connection):
            self.rows.insert("snapshot_log", row, "or ignore")

    def snapshots(self) -> list[SnapshotLogRow]:
        """List published snapshots, oldest first."""
        return self.rows.select(
            SnapshotLogRow, "select * from snapshot_log order by published_at, tag", []
        )

    def _sequence(self, index: str, which: str, order: str, source: str, stream: str) -> int | None:
        # The planner would rather walk all batches of the stream by another index.
        row = self._connection.execute(
            f"select sequence from batch indexed by {index} "
            f"where source = ? and stream = ? and {which} "
            f"and sequence is not null order by sequence {order} limit 1",
            [source, stream],
        ).fetchone()
        return None if row is None else int(row[0])

    def _supersede(self, batch_id: str, by: str, now: datetime) -> None:
        """Take a batch and the replays of its records out of the loaded ones."""
        self._connection.execute(
            "update batch set status = 'superseded', superseded_at = ? where status = 'loaded' "
            "and (batch_id = ? or replays = ?)",
            [as_text(now), batch_id, batch_id],
        )
        self._connection.execute(
            "update quarantine set state = 'discarded', note = ?, settled_at = ? "
            "where batch_id = ? and state = 'waiting'",
            [f"superseded by batch {by}", as_text(now), batch_id],
        )

    def _replaced_deliveries(self, batch: Batch) -> list[tuple[str, str]]:
        """Full deliveries of a branch that are not its latest, each with the latest."""
        rows = self._connection.execute(
            "select batch_id from batch where source = ? and stream = ? and branch = ? "
            "and status = 'loaded' and replays is null order by business_date desc, "
            "coalesce(sequence, 0) desc, coalesce(sent_at, received_at) desc, loaded_at desc, "
            "batch_id",
            [batch.source, batch.stream, batch.branch],
        ).fetchall()
        return [(row[0], rows[0][0]) for row in rows[1:]]

    def _put(self, batch: Batch) -> None:
        self.rows.insert("batch", batch, "or replace")

    def _put_quarantine(self, batch_id: str, rejected: Iterable[QuarantineRow]) -> None:
        self._connection.execute("delete from quarantine where batch_id = ?", [batch_id])
        names = [field.name for field in fields(QuarantineRow)]
        self._connection.executemany(
            f"insert into quarantine ({', '.join(names)}) values ({', '.join('?' for _ in names)})",
            ([getattr(row, name) for name in names] for row in rejected),
        )

    def _put_reconciliation(self, batch: Batch) -> None:
        self._connection.execute("delete from reconciliation where batch_id = ?", [batch.batch_id])
        pairs: list[tuple[str, str | None, str | None]] = []
        if batch.declared_rows is not None:
            pairs.append(("rows", str(batch.declared_rows), str(batch.rows)))
        for name, declared in batch.declared_sums.items():
            pairs.append((name, declared, batch.sums.get(name)))
        self._connection.executemany(
            "insert into reconciliation (batch_id, measure, declared, counted) values (?,?,?,?)",
            [(batch.batch_id, *pair) for pair in pairs],
        )
