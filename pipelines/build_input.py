"""The frozen input of a build: schema `raw` of the working database.

Landing never waits for a build; a build reads only the batches that were loaded when it froze its
list. What changed since the last finished build is derived from that list: the batches that are
new, those that are gone (superseded after they were built), the days and cases they touch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from connectors.codes import known_codes
from connectors.contract import Contract, Label
from connectors.ledger_rows import Batch, BatchKey, ExchangeEvent
from connectors.validation import quoted
from cubes.rule_table import RULE_TABLES
from pipelines.operator_rows import RecordedRow, operator_columns
from pipelines.raw_streams import write_streams, write_touched


@dataclass(frozen=True)
class BuildRequest:
    """What a build is about.

    `as_of` is aware. `forced_days` are rebuilt even if no batch touches them. Staff in one of the
    `analyst_positions` may analyse the rows of their unit; `analyst_duties` are accounts that the
    roster does not know, with a unit of each (`*` for every unit). Of rules only those count that
    were known at `known_at`, by default all. `partners` are the labels of those delivered to.
    """

    as_of: datetime
    zone: str
    calendar: str
    currency: str
    forced_days: tuple[date, ...] = field(default=())
    analyst_positions: tuple[str, ...] = field(default=())
    analyst_duties: tuple[tuple[str, str], ...] = field(default=())
    known_at: datetime | None = None
    partners: tuple[tuple[str, Label], ...] = field(default=())

    @property
    def business_date(self) -> date:
        """The last whole day before `as_of` in the operator's zone."""
        return self.as_of.astimezone(ZoneInfo(self.zone)).date() - timedelta(days=1)


@dataclass(frozen=True)
class Exchange:
    """What the ledger says of the exchange with other systems when a build freezes it: batches
    whatever became of them, and events, settled ones too."""

    batches: tuple[Batch, ...] = ()
    events: tuple[ExchangeEvent, ...] = ()


@dataclass(frozen=True)
class BuildInput:
    """The frozen list: `batches` are current; `new` and `gone` are ids against the last build."""

    request: BuildRequest
    build_id: str
    batches: tuple[Batch, ...]
    new: frozenset[str]
    gone: frozenset[str]


def freeze(
    work: duckdb.DuckDBPyConnection,
    request: BuildRequest,
    contracts: Mapping[str, Contract],
    declared: Mapping[str, Contract],
    batches: Sequence[Batch],
    *,
    built: frozenset[str],
    home: Path,
    find: Callable[[str], Batch | None],
    exchange: Exchange = Exchange(),
    matters: Sequence[str] = (),
    operator_rows: Sequence[RecordedRow] = (),
) -> BuildInput:
    """Write schema `raw` for one build and return what was frozen; `mark_finished` ends it.

    `contracts` are those this installation reads, `declared` all of them, whose raw tables exist
    empty; `batches` are the loaded batches of the former; `built` the ids that the last finished
    build read; `find` looks up any batch ever landed, so that gone ones are found again; of the
    `exchange` what concerns these contracts and the partners is written, `matters` are as in
    `build_id_of`, and `operator_rows` the rule rows of the operator.
    """
    current = {batch.batch_id for batch in batches}
    new = frozenset(current - built)
    found = [find(batch_id) for batch_id in sorted(built - current)]
    gone = [batch for batch in found if batch is not None]
    build_id = build_id_of(request, batches, matters)
    work.execute("create schema if not exists raw")
    work.execute("begin")
    work.execute("create table if not exists raw.unfinished (build_id varchar)")
    _write_build(work, request, build_id)
    _write_batches(work, batches, gone, new)
    _write_organisation(work, contracts, request)
    _write_analysts(work, request)
    _write_operator_rows(work, operator_rows)
    _write_exchange(work, contracts, exchange)
    changed = [*(b for b in batches if b.batch_id in new), *gone]
    write_streams(work, declared, batches, home)
    write_touched(work, contracts, changed, request.forced_days, home)
    work.execute("commit")
    ids_of_gone = frozenset(batch.batch_id for batch in gone)
    return BuildInput(request, build_id, tuple(batches), new, ids_of_gone)


def build_id_of(
    request: BuildRequest, batches: Sequence[Batch | BatchKey], matters: Sequence[str] = ()
) -> str:
    """Id of a build: derived from its moment, its settings, the batches it reads and the `matters`
    of the exchange that somebody has to look at (see `open_matters`)."""
    digest = hashlib.sha256()
    for part in (request.as_of.isoformat(), request.zone, request.calendar, request.currency):
        digest.update(part.encode() + b"\0")
    for batch_id in sorted(batch.batch_id for batch in batches):
        digest.update(batch_id.encode() + b"\0")
    if request.analyst_positions or request.analyst_duties:
        digest.update(repr((request.analyst_positions, request.analyst_duties)).encode())
    if matters:
        digest.update(repr(sorted(matters)).encode())
    if request.known_at is not None:
        digest.update(f"known at {request.known_at.isoformat()}".encode())
    return digest.hexdigest()[:16]


def is_left_unfinished(work: duckdb.DuckDBPyConnection, *, is_built: bool) -> bool:
    """Whether the marts may be half written: a build began and never finished, or the working
    database of marts that `is_built` was lost, and with it the mark of such a build.

    Some marts may be written and others not, so that nothing tells what each of them has.
    """
    return _has(work, "unfinished") or (is_built and not _has(work, "build"))


def mark_finished(work: duckdb.DuckDBPyConnection) -> None:
    """Say in the working database that the build frozen last has finished."""
    work.execute("drop table raw.unfinished")


def _has(work: duckdb.DuckDBPyConnection, table: str) -> bool:
    found = work.execute(
        "select 1 from information_schema.tables where table_schema = 'raw' and table_name = ?",
        [table],
    ).fetchone()
    return found is not None


def as_naive(instant: datetime) -> datetime:
    """An aware instant as the warehouse keeps it: naive UTC."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def _write_build(work: duckdb.DuckDBPyConnection, request: BuildRequest, build_id: str) -> None:
    work.execute(
        "create or replace table raw.build (build_id varchar, as_of timestamp, business_date date, "
        "zone varchar, calendar_id varchar, currency varchar, known_at timestamp)"
    )
    work.execute(
        "insert into raw.build values (?, ?, ?, ?, ?, ?, ?)",
        [
            build_id,
            as_naive(request.as_of),
            request.business_date,
            request.zone,
            request.calendar,
            request.currency,
            request.known_at and as_naive(request.known_at),
        ],
    )


def _write_batches(
    work: duckdb.DuckDBPyConnection,
    batches: Sequence[Batch],
    gone: Sequence[Batch],
    new: frozenset[str],
) -> None:
    work.execute(
        "create or replace table raw.batch (batch_id varchar, source varchar, stream varchar, "
        "branch varchar, business_date date, covers_from date, rows bigint, rejected bigint, "
        "received_at timestamp, loaded_at timestamp, change varchar, sequence integer)"
    )
    numbers = {batch.batch_id: batch.sequence for batch in (*batches, *gone)}
    listed = [
        *((batch, "new" if batch.batch_id in new else "known") for batch in batches),
        *((batch, "gone") for batch in gone),
    ]
    every = [batch for batch, _ in listed]
    insert_columns(
        work,
        "raw.batch",
        {
            "batch_id": [batch.batch_id for batch in every],
            "source": [batch.source for batch in every],
            "stream": [batch.stream for batch in every],
            "branch": [batch.branch for batch in every],
            "business_date": [batch.business_date for batch in every],
            "covers_from": [batch.covers_from for batch in every],
            "rows": [batch.rows for batch in every],
            "rejected": [batch.rejected for batch in every],
            "received_at": [as_naive(batch.received_at) for batch in every],
            "loaded_at": [as_naive(b.loaded_at) if b.loaded_at else None for b in every],
            "change": [change for _, change in listed],
            "sequence": [_number(batch, numbers) for batch in every],
        },
    )


def insert_columns(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, Sequence[object]]
) -> None:
    """Append equally long columns to a table that has columns of these names.

    They go over as one Arrow table: bound row by row, a long history takes seconds.
    """
    connection.register("inserted", pa.table({name: list(of) for name, of in columns.items()}))
    connection.execute(f"insert into {table} by name select * from inserted")
    connection.unregister("inserted")


def _number(batch: Batch, numbers: Mapping[str, int | None]) -> int | None:
    """The number of a file within its day, by which versions of a record are ordered.

    Replayed records have that of the file they came in. Other interfaces count something else.
    """
    if batch.interface != "files":
        return None
    return numbers.get(batch.replays, batch.sequence) if batch.replays else batch.sequence


def _write_organisation(
    work: duckdb.DuckDBPyConnection, contracts: Mapping[str, Contract], request: BuildRequest
) -> None:
    work.execute(
        "create or replace table raw.org_level (level integer, name varchar, "
        "label_zh varchar, label_en varchar)"
    )
    owner = next((c for _, c in sorted(contracts.items()) if c.org is not None), None)
    if owner is not None and owner.org is not None:
        for level, (name, label) in enumerate(owner.org.levels.items(), start=1):
            work.execute(
                "insert into raw.org_level values (?, ?, ?, ?)", [level, name, label.zh, label.en]
            )
    work.execute(
        "create or replace table raw.source_setting (source varchar, label_zh varchar, "
        "label_en varchar, shape varchar, zone varchar, calendar_id varchar, currency varchar)"
    )
    for source, contract in sorted(contracts.items()):
        work.execute(
            "insert into raw.source_setting values (?, ?, ?, ?, ?, ?, ?)",
            [
                source,
                contract.label.zh,
                contract.label.en,
                contract.shape,
                contract.zone or request.zone,
                contract.calendar or request.calendar,
                contract.currency or request.currency,
            ],
        )
    for partner, label in request.partners:
        if partner not in contracts:
            work.execute(
                "insert into raw.source_setting (source, label_zh, label_en) values (?, ?, ?)",
                [partner, label.zh, label.en],
            )


def _write_analysts(work: duckdb.DuckDBPyConnection, request: BuildRequest) -> None:
    work.execute("create or replace table raw.analyst_position (position varchar)")
    work.execute(
        "create or replace table raw.analyst_duty (account_id varchar, org_unit_id varchar)"
    )
    for position in sorted(set(request.analyst_positions)):
        work.execute("insert into raw.analyst_position values (?)", [position])
    for duty in sorted(set(request.analyst_duties)):
        work.execute("insert into raw.analyst_duty values (?, ?)", list(duty))


def _write_operator_rows(
    work: duckdb.DuckDBPyConnection, operator_rows: Sequence[RecordedRow]
) -> None:
    for table, columns in RULE_TABLES.items():
        typed = ", ".join(f"{quoted(name)} varchar" for name in columns)
        work.execute(
            f"create or replace table raw.operator_{table} ({typed}, row_no integer, "
            "recorded_at timestamp)"
        )
        insert_columns(work, f"raw.operator_{table}", operator_columns(table, operator_rows))


def _write_exchange(
    work: duckdb.DuckDBPyConnection, contracts: Mapping[str, Contract], exchange: Exchange
) -> None:
    """The ledger's batches and events, without a word that a partner wrote into them.

    What is left of a source that is no more read here is left out: nothing would ever settle it.
    """
    removed = {batch.source for batch in exchange.batches} - set(contracts)
    batches = [batch for batch in exchange.batches if batch.source not in removed]
    events = [event for event in exchange.events if event.source not in removed]
    work.execute(
        "create or replace table raw.delivery (batch_id varchar, source varchar, stream varchar, "
        "branch varchar, interface varchar, business_date date, covers_from date, "
        "sequence integer, status varchar, code varchar, rows bigint, rows_loaded bigint, "
        "rejected bigint, supersedes varchar, replays varchar, received_at timestamp, "
        "loaded_at timestamp)"
    )
    same = (
        "batch_id", "source", "stream", "branch", "interface", "business_date", "covers_from",
        "sequence", "status", "code", "rows", "rows_loaded", "rejected", "supersedes", "replays",
    )  # fmt: skip
    columns: dict[str, Sequence[object]] = {
        name: [getattr(batch, name) for batch in batches] for name in same
    }
    columns["received_at"] = [as_naive(batch.received_at) for batch in batches]
    columns["loaded_at"] = [b.loaded_at and as_naive(b.loaded_at) for b in batches]
    insert_columns(work, "raw.delivery", columns)
    work.execute(
        "create or replace table raw.exchange_event (event_id bigint, code varchar, "
        "source varchar, stream varchar, branch varchar, business_date date, batch_id varchar, "
        "noted_at timestamp, settled_at timestamp)"
    )
    told = ("event_id", "code", "source", "stream", "branch", "business_date", "batch_id")
    columns = {name: [getattr(event, name) for event in events] for name in told}
    columns["noted_at"] = [as_naive(event.at) for event in events]
    columns["settled_at"] = [e.resolved_at and as_naive(e.resolved_at) for e in events]
    insert_columns(work, "raw.exchange_event", columns)
    work.execute(
        "create or replace table raw.exchange_code (code varchar, label_zh varchar, "
        "label_en varchar, hint_zh varchar, hint_en varchar, severity varchar)"
    )
    codes = list(known_codes().values())
    insert_columns(
        work,
        "raw.exchange_code",
        {
            "code": [code.name for code in codes],
            "label_zh": [code.says["zh"] for code in codes],
            "label_en": [code.says["en"] for code in codes],
            "hint_zh": [code.hint["zh"] for code in codes],
            "hint_en": [code.hint["en"] for code in codes],
            "severity": [code.severity for code in codes],
        },
    )
