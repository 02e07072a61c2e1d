"""Landing of extracts: what an ordinary table holds now, whole or since the last time.

A whole table is one batch that replaces the one before. By cursor, rows of the look-back window
are read again; those that raw already has in this form are left out, so that a batch holds what
is new. The cursor moves after the batch is loaded: a process that dies between the two reads the
same rows once more, and finds them there.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connectors.contract import Contract, Stream
from connectors.databases.control_totals import Reconciliation, Totals, counted_totals
from connectors.databases.database import open_database
from connectors.databases.extract import ExtractTable
from connectors.databases.table_landing import (
    drafted_batch,
    forget_told,
    note_findings,
    raise_together,
    refusal_of,
    rejected_bytes,
    type_told,
)
from connectors.databases.table_reading import content_hash
from connectors.databases.unchanged_rows import leave_out_unchanged
from connectors.errors import InterfaceMismatch, RefusedDelivery
from connectors.landing import Delivery, Landing, delivery_of, quarantine_rows
from connectors.ledger_rows import Batch
from connectors.places.place import Secret, no_secret
from connectors.sql_text import literal
from connectors.validation import FIRST_REJECTED

_HOURLY, _DAILY = "1h", "1d"
_UNITS = {"m": "minutes", "h": "hours"}
_BRANCH = "main"


@dataclass(frozen=True)
class ExtractCursor:
    """How far a table was read: the cursor's value and the batch that moved it there.

    A time is naive UTC, everything is spelt as DuckDB writes it.
    """

    source: str
    stream: str
    value: str
    batch_id: str


@dataclass(frozen=True)
class ExtractReach:
    """How far the rows of a batch reach: no cursor's value in it is above `highest`.

    A batch with a row without a value, or that nothing is noted of, may reach anywhere.
    """

    batch_id: str
    source: str
    stream: str
    highest: str


def land_extract(
    landing: Landing,
    *,
    secret: Secret = no_secret,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Delivery]:
    """Read every table of a source and land what is new.

    One whose contract says how often it is read is not read sooner, whoever asks.
    """
    contract = landing.contract
    engine = open_database(
        contract.interface.location,
        landing.home,
        secret=secret,
        owner=contract.source,
        read_only=True,
    )
    faults: list[InterfaceMismatch] = []
    try:
        last_looks = landing.ledger.last_looks()
        for name, stream in contract.streams.items():
            last = last_looks.get((contract.source, name))
            if stream.every is not None and not _is_due(stream, last, landing.now, landing.zone):
                continue
            try:
                delivery = _Extract(landing, engine, name, stream).land(sleep)
            except InterfaceMismatch as fault:
                faults.append(fault)
                continue
            if delivery is not None:
                yield delivery
    finally:
        engine.dispose()
    raise_together(faults)


def due_extracts(
    contract: Contract, last_looks: Mapping[tuple[str, str], datetime], now: datetime, zone: str
) -> Iterator[str]:
    """The tables to read again: those whose `every` has passed since the last time.

    Where a contract does not say it, by cursor after an hour, whole ones once a day. `last_looks`
    says when each stream was last read, whatever became of its rows; `zone` is the operator's. The
    source itself is not asked, which would cost it as much as reading.
    """
    for name, stream in contract.streams.items():
        if _is_due(stream, last_looks.get((contract.source, name)), now, zone):
            yield stream.table or name


def _is_due(stream: Stream, last: datetime | None, now: datetime, zone: str) -> bool:
    """Whether a table is to be read that was read `last`; days are those of the calendar.

    A time to come was noted by a clock that was ahead and must not stop the reading until then.
    """
    if last is None or last > now:
        return True
    every = stream.every or (_DAILY if stream.mode == "full" else _HOURLY)
    count, unit = int(every[:-1]), every[-1]
    if unit != "d":
        return now - last >= timedelta(**{_UNITS[unit]: count})
    local = ZoneInfo(zone)
    return (now.astimezone(local).date() - last.astimezone(local).date()).days >= count


class _Extract:
    """One reading of one table."""

    def __init__(self, landing: Landing, engine: sa.Engine, name: str, stream: Stream) -> None:
        self._landing = landing
        self._name = name
        self._stream = stream
        zone = landing.contract.zone or landing.zone
        self._table = ExtractTable(engine, name, stream, zone=zone)
        self._last = None if stream.mode == "full" else self._read_cursor()

    def land(self, sleep: Callable[[float], None]) -> Delivery | None:
        """Read and land; None if the table holds nothing that is not landed or refused already."""
        landing, interface = self._landing, self._landing.contract.interface
        since = self._last.value if self._last else None
        rows, declared = self._table.load(
            landing.connection,
            since=since,
            fetch_size=interface.fetch_size,
            rows_per_second=interface.rows_per_second,
            sleep=sleep,
        )
        landing.at("read")
        delivery = self._land_rows(rows, declared, since)
        landing.ledger.note_look(landing.contract.source, self._name, now=landing.now)
        forget_told(landing)
        return delivery

    def _land_rows(self, rows: int, declared: Totals, since: str | None) -> Delivery | None:
        landing = self._landing
        width = len(self._stream.columns) + len(self._table.extra)
        columns = [f"c{place}" for place in range(width)]
        content = content_hash(landing.connection, columns)
        before = self._loaded_whole() if self._stream.mode == "full" else None
        if before is None and rows == 0:
            self._note_read(None)
            return None
        if before is not None and before.content_sha256 == content:
            self._note_read(None)
            return None
        predecessor = before.batch_id if before else self._last.batch_id if self._last else None
        batch_id = self._batch_id(since, content, predecessor)
        known = landing.ledger.batch(batch_id)
        is_refused = known is not None and known.status == "refused" and bool(known.log_sha256)
        if is_refused and known is not None and known.code != "wrong_sum":
            # The table still holds what was refused; until it changes there is nothing to say.
            return None
        extra = self._table.extra
        type_told(landing, self._name, self._table.stream, self._operation(), extra=tuple(extra))
        reconciled = Reconciliation(declared, *self._count(rows))
        position = self._table.position(landing.connection, since, landing.now)
        highest = self._table.highest(landing.connection)
        if known is not None and known.status in {"loaded", "superseded"}:
            self._note_read(position, batch_id, highest)
            return None
        if self._stream.mode != "full" and reconciled.fault is None:
            rows = leave_out_unchanged(
                landing,
                self._name,
                self._table.stream,
                extra=extra,
                window=self._table.window(since),
                beyond=self._table.beyond(since, "highest"),
            )
            if rows == 0:
                self._note_read(position)
                return None
            reconciled = reconciled.without(*self._count(rows))
        batch, rejected = drafted_batch(
            landing,
            self._name,
            list(self._stream.columns),
            batch_id=batch_id,
            interface="extract",
            place=self._table.name,
            content_sha256=content,
            rows=rows,
        )
        batch = reconciled.noted(replace(batch, log_sha256=content))
        if self._stream.mode == "full":
            batch = self._as_whole(batch, before)
        refusal = refusal_of(self._stream, batch, reconciled)
        if refusal is not None:
            if is_refused:
                # The table still differs from what it says of itself: that was told before.
                return None
            refused = landing.ledger.refuse(
                replace(batch, code=refusal.code, reason=refusal.reason, supersedes=None),
                quarantine_rows(batch_id, rejected[:FIRST_REJECTED]),
            )
            landing.at("refused")
            return delivery_of(refused)
        try:
            kept = rejected_bytes(landing, self._stream, self._table.stream, extra)
            batch = landing.land(batch, rejected, kept, tuple(extra))
        except RefusedDelivery:
            refused_or_none = landing.ledger.batch(batch_id)
            return delivery_of(refused_or_none) if refused_or_none else None
        note_findings(landing, self._name, self._table.findings)
        self._note_read(position, batch_id, highest)
        landing.at("cursor")
        return delivery_of(batch)

    def _count(self, rows: int) -> tuple[Totals, bool]:
        return counted_totals(self._landing.connection, self._table.stream, rows)

    def _note_read(
        self, position: str | None, batch_id: str | None = None, highest: str | None = None
    ) -> None:
        """Note that every row is settled, and how far the cursor has come by which batch.

        `highest` is no less than any cursor's value in the batch, None if nothing bounds them.
        """
        landing, source = self._landing, self._landing.contract.source
        mover = batch_id or (self._last.batch_id if self._last else None)
        if position is not None and mover is not None:
            cursor = ExtractCursor(source, self._name, position, mover)
            with landing.ledger.rows.writing():
                landing.ledger.rows.insert("extract_cursor", cursor, "or replace")
                if batch_id is not None and highest is not None:
                    reach = ExtractReach(batch_id, source, self._name, highest)
                    landing.ledger.rows.insert("extract_reach", reach, "or replace")
        landing.ledger.note_read(source, self._name, now=landing.now)

    def _read_cursor(self) -> ExtractCursor | None:
        found = self._landing.ledger.rows.select(
            ExtractCursor,
            "select * from extract_cursor where source = ? and stream = ?",
            [self._landing.contract.source, self._name],
        )
        return found[0] if found else None

    def _loaded_whole(self) -> Batch | None:
        """The whole table as it was landed last."""
        loaded = self._landing.ledger.batches(
            source=self._landing.contract.source, stream=self._name, status="loaded"
        )
        own = [batch for batch in loaded if batch.replays is None]
        return max(own, key=lambda one: (one.business_date, one.sequence or 0), default=None)

    def _as_whole(self, batch: Batch, before: Batch | None) -> Batch:
        """A whole table is of the day before it was read, whatever days its rows are of."""
        zone = ZoneInfo(self._landing.zone)
        day = self._landing.now.astimezone(zone).date() - timedelta(days=1)
        last = max(batch.business_date, day, before.business_date if before else day)
        return replace(
            batch,
            business_date=last,
            covers_from=min(batch.covers_from, last),
            sequence=(before.sequence or 0) + 1 if before else 1,
            supersedes=before.batch_id if before else None,
        )

    def _operation(self) -> str:
        """SQL of a record's operation: a row that the source calls deleted is a tombstone."""
        deleted = self._stream.deleted
        if deleted is None:
            return "'I'"
        place = list(self._stream.columns).index(deleted.column)
        values = ", ".join(literal(value) for value in deleted.values)
        return f"case when c{place} in ({values}) then 'D' else 'I' end"

    def _batch_id(self, since: str | None, content: str, predecessor: str | None) -> str:
        """The same rows read from the same place after the same batch are the same batch."""
        source = self._landing.contract.source
        parts = ["extract", source, self._name, _BRANCH, since, content, predecessor]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
