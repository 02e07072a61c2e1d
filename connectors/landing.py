"""Landing: a delivery becomes Parquet in raw, in an order that a kill at any moment cannot harm.

A hidden Parquet file, durable; then PII store, ledger `announced`, the Parquet's name (rename,
fsync of the folder), ledger `loaded`, confirmation to the source. Every step may be repeated: the
batch id is fixed by the content or by the claim, so a repeat writes the same things again.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa

from connectors.contract import Contract
from connectors.errors import LandingBusy, LandingFailed
from connectors.files.staging import FileStager
from connectors.full_delivery import require_whole, with_vanished
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch, QuarantineRow
from connectors.pii_store import PiiStore
from connectors.places.place import Secret, no_secret
from connectors.reading_hours import OUTSIDE_HOURS, outside_hours
from connectors.staging import BatchFacts, Staging, clear_staging, staging_folder
from connectors.validation import Rejected, local_date, quoted

ROWS_AT_ONCE = 100_000
# The ledger keeps instants to the microsecond.
_LEAST = timedelta(microseconds=1)

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


def seen_only(source: str, code: str, reason: str) -> Delivery:
    """Show something about a whole source that landed nothing."""
    return Delivery(source, "", None, "", None, None, 0, 0, 0, "waiting", code, reason)


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

    @cached_property
    def stager(self) -> FileStager:
        """Reads delimited files; what it planned for one file serves the next."""
        scratch = self.home / "tmp"
        return FileStager(self.contract, self.connection, self.pii, scratch=scratch, zone=self.zone)

    def arrival(self, stream: str, received_at: datetime) -> datetime:
        """When a batch came: at `received_at`, but always after the last one of its stream.

        The warehouse takes the version that came last, and clocks stand still or go back.
        """
        last = self.ledger.last_arrival(self.contract.source, stream)
        return received_at if last is None else max(received_at, last + _LEAST)

    def land(
        self,
        draft: Batch,
        rejected: list[Rejected],
        records: Mapping[int, bytes],
        extra: Sequence[str] = (),
    ) -> Batch:
        """Land the good rows of `typed` as `draft`; confirming it is left to the interface.

        `draft` has all counts; `records` are the bytes of rejected records by number; `extra` names
        columns of `typed` that the contract does not know.
        """
        staging = self.stage(draft, extra)
        try:
            reader = self.connection.execute(self._good_records(draft, extra)).to_arrow_reader(
                ROWS_AT_ONCE
            )
            for block in reader:
                staging.add(pa.Table.from_batches([block]))
            staging.finish()
        except BaseException:
            staging.discard()
            raise
        return self.land_staged(self._with_tombstones(draft), staging, rejected, records)

    def stage(self, draft: Batch, extra: Sequence[str] = ()) -> Staging:
        """Begin the Parquet file of `draft`, which lands `extra` columns too."""
        known = self.ledger.batch(draft.batch_id)
        received_at = draft.received_at if known is None else known.received_at
        return Staging(
            staging_folder(self.home, draft.source),
            self.contract.streams[draft.stream],
            BatchFacts(draft.batch_id, draft.branch, draft.business_date, received_at),
            self.pii,
            extra,
        )

    def land_staged(
        self,
        draft: Batch,
        staging: Staging,
        rejected: list[Rejected],
        records: Mapping[int, bytes],
    ) -> Batch:
        """Land what is staged for `draft`, which has all counts."""
        stream = self.contract.streams[draft.stream]
        try:
            require_whole(self.ledger, draft, stream)
            draft = with_vanished(
                draft,
                staging.path,
                stream,
                home=self.home,
                ledger=self.ledger,
                connection=self.connection,
            )
            self.at("parquet_temporary")
            self.pii.keep(draft.batch_id, values=staging.kept, records=records, now=self.now)
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
                staging.discard()
                return batch
            staging.publish(self.home / path)
        except BaseException:
            staging.discard()
            raise
        self.at("parquet")
        batch = self.ledger.load(
            batch,
            quarantine_rows(batch.batch_id, rejected),
            now=self.now,
            whole=stream.mode == "full",
        )
        self.at("loaded")
        return batch

    def _with_tombstones(self, draft: Batch) -> Batch:
        """Say of a batch without another code that some of its records delete one."""
        found = self.connection.execute(
            "select count(*) from typed where _fault is null and _op = 'D'"
        ).fetchone()
        if draft.code is not None or found is None or not found[0]:
            return draft
        return replace(draft, code="deletion", reason=f"{found[0]} records delete one")

    def _good_records(self, draft: Batch, extra: Sequence[str]) -> str:
        """SQL of the good records of `typed` as `Staging.add` takes them."""
        stream = self.contract.streams[draft.stream]
        dated = stream.business_date_from
        own = "cast(null as date)" if dated is None else quoted(dated)
        if dated is not None and stream.columns[dated].type == "timestamp":
            own = local_date(quoted(dated), self.zone)
        columns = ", ".join(map(quoted, [*stream.columns, *extra]))
        return (
            f"select {columns}, {own} as _own_date, _record_no, _op from typed "
            "where _fault is null order by _record_no"
        )


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
    secret: Secret = no_secret,
) -> list[Delivery]:
    """Land everything new of one source and return what became of each delivery.

    `home` is $HUIYIN_HOME, `now` the aware arrival time, `zone` the operator's IANA zone. `worker`
    names this reader of flag tables (default: the home's id), `memory_limit` bounds the engine.
    Raises LandingBusy when another process lands this source, SourceUnreachable and
    InterfaceMismatch for a table interface.
    """
    # The interfaces import this module for `Landing`, so they are imported when they are used.
    from connectors.databases.extract_landing import land_extract
    from connectors.databases.table_landing import land_tables
    from connectors.files.landing import land_files
    from connectors.files.mail_landing import land_mails
    from connectors.inbox_landing import land_inbox
    from connectors.service_landing import land_service

    if (closed := outside_hours(contract, now, zone)) is not None:
        return [seen_only(contract.source, OUTSIDE_HOURS, closed)]
    found: list[Delivery] = []
    with explained(contract.source, home):
        (home / "tmp").mkdir(parents=True, exist_ok=True)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "temp_directory": str(home / "tmp"),
    }
    if contract.interface.format in {"delimited", "national_centre"}:
        # Chunks of a file are typed side by side by threads of our own.
        settings["threads"] = 1
    with (
        explained(contract.source, home),
        only_one(home, contract.source),
        duckdb.connect(config=settings) as connection,
    ):
        clear_staging(home, contract.source)
        reopen_within_limits(contract, ledger)
        landing = Landing(contract, home, ledger, pii, connection, now, zone, at)
        if contract.interface.format == "mail":
            deliveries = land_mails(landing, secret=secret)
        elif contract.interface.type == "files":
            deliveries = land_files(landing, secret=secret)
        elif contract.interface.type == "inbox":
            deliveries = land_inbox(landing)
        elif contract.interface.type == "service":
            deliveries = land_service(landing)
        elif contract.interface.type == "extract":
            deliveries = land_extract(landing, secret=secret)
        else:
            deliveries = land_tables(landing, worker=worker or ledger.home_id(), secret=secret)
        for delivery in deliveries:
            found.append(delivery)
            if progress is not None:
                progress(delivery)
    return found


def reopen_within_limits(contract: Contract, ledger: Ledger) -> None:
    """Have batches read again that the contract's reject limit refused and would not refuse now."""
    for batch in ledger.refused_batches(contract.source, "reject_limit"):
        stream = contract.streams.get(batch.stream)
        if stream is not None and stream.reject_limit.allows(batch.rejected, batch.rows):
            ledger.reopen(batch.batch_id)


@contextmanager
def explained(source: str, home: Path) -> Iterator[None]:
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
def only_one(home: Path, source: str) -> Iterator[None]:
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
