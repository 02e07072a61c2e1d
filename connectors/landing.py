"""Landing: a delivery becomes Parquet in raw, in an order that a kill at any moment cannot harm.

PII store, ledger `announced`, Parquet (temporary name, fsync, rename, fsync of the folder), ledger
`loaded`, confirmation to the source. Every step may be repeated: the batch id is fixed by the
content or by the claim, so a repeat writes the same things again.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from connectors.contract import Contract, Stream
from connectors.errors import LandingBusy, LandingFailed
from connectors.files import sync_folder
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch, QuarantineRow
from connectors.pii_store import PiiStore
from connectors.scrubbing import scrub
from connectors.validation import Rejected, literal, local_date, quoted

Step = Callable[[str], None]


def no_fault(step: str) -> None:
    """Stand at no step; tests pass a function that kills the process at one."""


@dataclass(frozen=True)
class Delivery:
    """What became of one delivery, or of one thing seen in an exchange.

    `status` is loaded, refused, or waiting (a file that may not be read yet, or an event about an
    exchange); `place` is the file's name or the table; `code` a word of the ledger or None.
    """

    source: str
    stream: str
    batch_id: str | None
    place: str
    business_date: date | None
    covers_from: date | None
    rows: int
    loaded: int
    rejected: int
    status: str
    code: str | None
    reason: str | None


def delivery_of(batch: Batch) -> Delivery:
    """Show a batch of the ledger as a delivery."""
    return Delivery(
        source=batch.source,
        stream=batch.stream,
        batch_id=batch.batch_id,
        place=batch.place,
        business_date=batch.business_date,
        covers_from=batch.covers_from,
        rows=batch.rows,
        loaded=batch.rows_loaded,
        rejected=batch.rejected,
        status=batch.status,
        code=batch.code,
        reason=batch.reason,
    )


@dataclass(frozen=True)
class Landing:
    """Everything one run of landing needs; `at` is told each step by name."""

    contract: Contract
    home: Path
    ledger: Ledger
    pii: PiiStore
    connection: duckdb.DuckDBPyConnection
    now: datetime
    zone: str
    at: Step

    def land(
        self,
        draft: Batch,
        rejected: list[Rejected],
        records: Mapping[int, bytes],
    ) -> Batch:
        """Land the good rows of `typed` as `draft`; confirming it is left to the interface.

        `draft` has all counts; `records` are the bytes of rejected records by number.
        """
        stream = self.contract.streams[draft.stream]
        values = self._make_replacements(stream)
        self.pii.keep(draft.batch_id, values=values, records=records, now=self.now)
        self.at("pii")
        path = Path(
            "raw",
            draft.source,
            draft.stream,
            draft.business_date.isoformat(),
            f"{draft.batch_id}.parquet",
        )
        batch = self.ledger.announce(replace(draft, path=path.as_posix()))
        self.at("announced")
        if batch.status != "announced":
            return batch
        self._write_parquet(batch, stream, self.home / path)
        self.at("parquet")
        batch = self.ledger.load(batch, quarantine_rows(batch.batch_id, rejected), now=self.now)
        self.at("loaded")
        return batch

    def _make_replacements(self, stream: Stream) -> dict[str, tuple[str, str]]:
        """Make `replaced <column>` per personal or free-text column; return what to store."""
        kept: dict[str, tuple[str, str]] = {}
        for name, column in stream.columns.items():
            if not column.pii and not column.scrub:
                continue
            found = self.connection.execute(
                f"select distinct {quoted(name)} from typed "
                f"where _fault is null and {quoted(name)} is not null"
            ).fetchall()
            texts = [row[0] for row in found]
            if column.pii:
                pseudonyms = self.pii.pseudonyms(column.pii, texts)
                new = [pseudonyms[text] for text in texts]
                if column.reveal:
                    kept |= {pseudonyms[text]: (column.pii, text) for text in sorted(texts)}
            else:
                new = [scrub(text) for text in texts]
            pairs = pa.table(
                {"old": pa.array(texts, pa.string()), "new": pa.array(new, pa.string())}
            )
            self.connection.register("_pairs", pairs)
            self.connection.execute(
                f"create or replace temp table {quoted('replaced ' + name)} as select * from _pairs"
            )
            self.connection.unregister("_pairs")
        return kept

    def _write_parquet(self, batch: Batch, stream: Stream, path: Path) -> None:
        columns, joins = [], []
        for name, column in stream.columns.items():
            if column.pii or column.scrub:
                table = quoted("replaced " + name)
                joins.append(f"left join {table} on {table}.old = typed.{quoted(name)}")
                columns.append(f"{table}.new as {quoted(name)}")
            else:
                columns.append(f"typed.{quoted(name)}")
        day = f"date {literal(batch.business_date.isoformat())}"
        dated = stream.business_date_from
        if dated is not None:
            value = f"typed.{quoted(dated)}"
            own = value
            if stream.columns[dated].type == "timestamp":
                own = local_date(value, self.zone)
            day = f"coalesce({own}, {day})"
        arrived = batch.received_at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
        technical = [
            f"{literal(batch.batch_id)} as _batch_id",
            "typed._record_no as _record_no",
            f"{day} as _business_date",
            f"timestamp {literal(arrived)} as _recorded_at",
            "typed._op as _op",
            f"{literal(batch.branch)} as _branch",
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.part")
        self.connection.execute(
            f"copy (select {', '.join(columns + technical)} from typed {' '.join(joins)} "
            "where typed._fault is null order by typed._record_no) "
            f"to {literal(str(temporary))} (format parquet, compression zstd)"
        )
        self.at("parquet_temporary")
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)


def quarantine_rows(batch_id: str, rejected: list[Rejected]) -> list[QuarantineRow]:
    """Show rejected records as rows of the ledger."""
    return [
        QuarantineRow(
            batch_id=batch_id,
            record_no=item.record_no,
            line=item.line,
            byte_offset=item.byte_offset,
            column_name=item.column,
            code="malformed_row",
            reason=item.reason,
            masked_value=item.masked_value,
        )
        for item in rejected
    ]


def land_source(
    contract: Contract,
    *,
    home: Path,
    ledger: Ledger,
    pii: PiiStore,
    now: datetime,
    zone: str,
    progress: Callable[[Delivery], None] | None = None,
    at: Step = no_fault,
    worker: str | None = None,
    memory_limit: str = "1GB",
) -> list[Delivery]:
    """Land everything new of one source and return what became of each delivery.

    `home` is $HUIYIN_HOME, `now` the aware arrival time, `zone` the operator's IANA zone. `worker`
    names this reader of flag tables (default: the home), `memory_limit` bounds the engine. Raises
    LandingBusy when another process lands this source, SourceUnreachable and InterfaceMismatch for
    a table interface.
    """
    # The interfaces import this module for `Landing`, so they are imported when they are used.
    from connectors.file_landing import land_files
    from connectors.inbox_landing import land_inbox
    from connectors.table_landing import land_tables

    found: list[Delivery] = []
    with _explained(contract.source, home):
        (home / "tmp").mkdir(parents=True, exist_ok=True)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "temp_directory": str(home / "tmp"),
    }
    with (
        _explained(contract.source, home),
        _only_one(home, contract.source),
        duckdb.connect(config=settings) as connection,
    ):
        landing = Landing(contract, home, ledger, pii, connection, now, zone, at)
        if contract.interface.type == "files":
            deliveries = land_files(landing)
        elif contract.interface.type == "inbox":
            deliveries = land_inbox(landing)
        else:
            deliveries = land_tables(landing, worker=worker or str(home.resolve()))
        for delivery in deliveries:
            found.append(delivery)
            if progress is not None:
                progress(delivery)
    return found


@contextmanager
def _explained(source: str, home: Path) -> Iterator[None]:
    """Turn a failing disk, engine or store into one message, without what was being landed."""
    try:
        yield
    except OSError as error:
        what = f"{error.strerror}: {error.filename or home}"
        raise _failed(source, what) from error
    except sqlite3.Error as error:
        raise _failed(source, f"a store of {home}: {error}") from error
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise _failed(source, str(error).partition("\n")[0]) from error


def _failed(source: str, what: str) -> LandingFailed:
    return LandingFailed(
        f"Landing source '{source}' stopped: {what}. Deliveries finished before stay landed, the "
        "others are untouched. Trying again helps once the cause is gone (room on the disk, "
        "permission, memory)."
    )


@contextmanager
def _only_one(home: Path, source: str) -> Iterator[None]:
    """Hold the lock of a source in this home; the system frees it when the process dies."""
    folder = home / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{source}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LandingBusy(
                f"Landing source '{source}' was not started: another process is landing it in "
                f"{home}. Trying again helps once that one has ended."
            ) from error
        yield


def record_as_json(texts: list[str | None], names: list[str]) -> bytes:
    """The bytes kept of a rejected table row."""
    return json.dumps(dict(zip(names, texts, strict=True)), ensure_ascii=False).encode()
