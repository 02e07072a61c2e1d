"""Landing of the table interface: claim a slice, land it, mark its rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from connectors.errors import SourceUnreachable
from connectors.formats.delimited import add_records, create_record_table
from connectors.landing import Delivery, Landing, delivery_of, quarantine_rows, record_as_json
from connectors.ledger_rows import Batch, Confirmation
from connectors.tables import FlagTable, open_database
from connectors.validation import (
    Rejected,
    local_date,
    quoted,
    rejected_records,
    type_records,
)

ROWS_PER_CLAIM = 50_000
STALE_AFTER = timedelta(minutes=30)


def land_tables(
    landing: Landing, *, worker: str, rows_per_claim: int = ROWS_PER_CLAIM
) -> Iterator[Delivery]:
    """Land every flag table of a source, claims that were left behind first."""
    engine = open_database(landing.contract.interface.location, landing.home)
    try:
        for name, stream in landing.contract.streams.items():
            table = FlagTable(engine, name, stream, worker=worker)
            for token in table.left_behind(now=landing.now, stale_after=STALE_AFTER):
                yield _land_claim(landing, table, name, token)
            while True:
                ordinal = len(landing.ledger.batches(source=landing.contract.source, stream=name))
                token_or_none = table.claim(limit=rows_per_claim, ordinal=ordinal, now=landing.now)
                if token_or_none is None:
                    landing.ledger.note_read(landing.contract.source, name, now=landing.now)
                    break
                landing.at("claimed")
                yield _land_claim(landing, table, name, token_or_none)
            yield from _note_unknown_flags(landing, table, name)
    except SQLAlchemyError as error:
        raise _unreachable(landing, error) from error
    finally:
        engine.dispose()


def _unreachable(landing: Landing, error: SQLAlchemyError) -> SourceUnreachable:
    # The text of a statement's error quotes its values, so only the database's own word is told.
    told = error.orig if isinstance(error, DBAPIError) else error
    return SourceUnreachable(
        f"Reading the flag tables of source '{landing.contract.source}' at "
        f"{landing.contract.interface.location} failed: {type(told).__name__}"
        f"{_sqlite_word(told)}. Claimed rows stay claimed and are taken up again. Trying again "
        "helps when the database is only busy or down; otherwise its owner must mend it."
    )


def _sqlite_word(error: BaseException | None) -> str:
    name = getattr(error, "sqlite_errorname", None)
    return f" ({name})" if name else ""


def _note_unknown_flags(landing: Landing, table: FlagTable, name: str) -> Iterator[Delivery]:
    """Tell of rows that no claim can reach; nothing would ever be heard of them otherwise."""
    stuck = table.unknown_flags()
    if not stuck:
        return
    source = landing.contract.source
    detail = f"{stuck} rows have no ifc_seq or an ifc_status other than 0, 1, 2 and 9"
    new = landing.ledger.note_event(
        "unknown_flag",
        source=source,
        stream=name,
        file=table.name,
        detail=detail,
        now=landing.now,
    )
    if new:
        yield Delivery(
            source, name, None, table.name, None, None, 0, 0, 0, "waiting", "unknown_flag", detail
        )


def _land_claim(landing: Landing, table: FlagTable, name: str, token: str) -> Delivery:
    known = landing.ledger.batch(token)
    if known is not None and known.status in {"loaded", "superseded", "refused"}:
        _mark(landing, table, known)
        return delivery_of(known)
    stream = landing.contract.streams[name]
    columns = list(stream.columns)
    content_sha256, rows = _read(landing, table, token)
    batch, rejected = typed_batch(
        landing,
        name,
        columns,
        batch_id=token,
        interface="table",
        place=table.name,
        content_sha256=content_sha256,
        rows=rows,
    )
    if stream.reject_limit.allows(len(rejected), rows):
        records = {
            number: record_as_json(texts, columns)
            for number, texts in landing.connection.execute(
                "select record_no, fields from record where record_no in "
                "(select _record_no from typed where _fault is not null)"
            ).fetchall()
        }
        batch = landing.land(batch, rejected, records)
    else:
        reason = f"{len(rejected)} of {rows} rows break the contract"
        batch = landing.ledger.refuse(
            replace(batch, code="reject_limit", reason=reason),
            quarantine_rows(token, rejected),
        )
        landing.at("refused")
    _mark(landing, table, batch)
    return delivery_of(batch)


def _read(landing: Landing, table: FlagTable, token: str) -> tuple[str, int]:
    """Stream a claim into `record` under each row's ifc_seq; returns content hash and rows."""
    create_record_table(landing.connection)
    digest = hashlib.sha256()
    number = 0
    for block in table.rows(token):
        add_records(
            landing.connection,
            [
                # The sequence orders versions of a row across claims of the same moment.
                [row[0] for row in block],
                [row[0] for row in block],
                [None] * len(block),
                [None] * len(block),
                [row[1] for row in block],
                [row[2] for row in block],
                [
                    row[3] or (None if row[1] in {"I", "U", "D"} else "unknown_operation")
                    for row in block
                ],
            ],
        )
        number += len(block)
        digest.update(json.dumps([row[:3] for row in block], ensure_ascii=False).encode())
    return digest.hexdigest(), number


def typed_batch(
    landing: Landing,
    name: str,
    columns: Sequence[str],
    *,
    batch_id: str,
    interface: str,
    place: str,
    content_sha256: str,
    rows: int,
    sequence: int | None = None,
) -> tuple[Batch, list[Rejected]]:
    """Type the `rows` records read from `columns` by the stream's contract.

    Returns the batch they make, not announced yet, and the records it must leave out.
    """
    stream = landing.contract.streams[name]
    places = {column: number for number, column in enumerate(columns, 1)}
    type_records(
        landing.connection,
        stream,
        places,
        width=len(columns),
        nulls=(),
        zone=landing.contract.zone or landing.zone,
    )
    rejected = rejected_records(landing.connection, places)
    first, last = days_covered(landing, name)
    batch = Batch(
        batch_id=batch_id,
        source=landing.contract.source,
        stream=name,
        branch="main",
        business_date=last,
        covers_from=first,
        sequence=sequence,
        interface=interface,
        place=place,
        content_sha256=content_sha256,
        log_sha256="",
        declared_rows=None,
        declared_sums={},
        rows=rows,
        rows_loaded=rows - len(rejected),
        rejected=len(rejected),
        sums={},
        status="announced",
        code="malformed_row" if rejected else None,
        reason=f"{len(rejected)} of {rows} rows are in quarantine" if rejected else None,
        supersedes=None,
        path=None,
        received_at=landing.now,
        loaded_at=None,
    )
    return batch, rejected


def days_covered(landing: Landing, name: str) -> tuple[date, date]:
    """First and last business date of the rows; without dated rows the day before the arrival."""
    stream = landing.contract.streams[name]
    if stream.business_date_from is not None:
        value = quoted(stream.business_date_from)
        is_instant = stream.columns[stream.business_date_from].type == "timestamp"
        day = local_date(value, landing.zone) if is_instant else value
        row = landing.connection.execute(
            f"select min({day}), max({day}) from typed where _fault is null"
        ).fetchone()
        if row is not None and row[0] is not None:
            return row[0], row[1]
    yesterday = landing.now.astimezone(ZoneInfo(landing.zone)).date() - timedelta(days=1)
    return yesterday, yesterday


def _mark(landing: Landing, table: FlagTable, batch: Batch) -> None:
    """Mark the rows of a settled claim and note that the source was told."""
    if batch.status == "refused":
        table.refuse(batch.batch_id, f"{batch.code}: {batch.reason}", now=landing.now)
        return
    errors = {
        row.line: f"{row.code}: {row.column_name or 'record'} {row.reason}"
        for row in landing.ledger.quarantine(batch_id=batch.batch_id)
        if row.line is not None
    }
    table.mark(batch.batch_id, errors, now=landing.now)
    landing.at("marked")
    result = "partial" if errors else "ok"
    landing.ledger.confirm(Confirmation(batch.batch_id, "flags", batch.place, result, landing.now))
