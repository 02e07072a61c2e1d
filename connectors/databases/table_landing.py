"""Landing of the table interface: claim a slice, land it, mark its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from connectors.column_rules import ColumnRules
from connectors.contract import Stream
from connectors.databases.control_totals import Reconciliation, counted_totals
from connectors.databases.database import open_database
from connectors.databases.flag_tables import FlagTable
from connectors.errors import InterfaceMismatch, RefusedDelivery
from connectors.landing import Delivery, Landing, delivery_of, quarantine_rows
from connectors.ledger_rows import Batch, Confirmation
from connectors.places.place import Secret, no_secret
from connectors.quarantining.kept_records import as_json, kept_names, spellings
from connectors.schema_change import ColumnFinding
from connectors.validation import (
    FIRST_REJECTED,
    MOST_REJECTED,
    Rejected,
    count_rejected,
    local_date,
    quoted,
    reject_repeated_keys,
    rejected_records,
    type_records,
)

ROWS_PER_CLAIM = 500_000
STALE_AFTER = timedelta(minutes=30)


def land_tables(
    landing: Landing,
    *,
    worker: str,
    secret: Secret = no_secret,
    rows_per_claim: int = ROWS_PER_CLAIM,
) -> Iterator[Delivery]:
    """Land every flag table of a source, claims that were left behind first."""
    source = landing.contract.source
    engine = open_database(
        landing.contract.interface.location, landing.home, secret=secret, owner=source
    )
    limit = claim_limit(landing.contract.interface.rows_per_second, rows_per_claim)
    faults: list[InterfaceMismatch] = []
    try:
        for name, stream in landing.contract.streams.items():
            try:
                table = FlagTable(engine, name, stream, worker=reader_name(worker, source))
                yield from _land_table(landing, table, name, limit)
            except InterfaceMismatch as fault:
                faults.append(fault)
    finally:
        engine.dispose()
    raise_together(faults)


def _land_table(landing: Landing, table: FlagTable, name: str, limit: int) -> Iterator[Delivery]:
    source, ledger = landing.contract.source, landing.ledger
    for token in table.left_behind(now=landing.now, stale_after=STALE_AFTER):
        _note_resumed(landing, table, name, token)
        delivery = _land_claim(landing, table, name, token)
        _settle_resumed(landing, table)
        yield delivery
    # One of before may have been marked by a process that died before it could settle this.
    _settle_resumed(landing, table)
    _confirm_marked(landing, table, name)
    while True:
        ordinal = ledger.count_batches(source, name)
        claimed = table.claim(limit=limit, ordinal=ordinal, now=landing.now)
        if claimed is None:
            ledger.note_read(source, name, now=landing.now)
            break
        landing.at("claimed")
        yield _land_claim(landing, table, name, claimed)
    yield from _note_unknown_flags(landing, table, name)


def claim_limit(rows_per_second: int | None, most: int = ROWS_PER_CLAIM) -> int:
    """How many rows to claim: reading them takes half the time after which a claim is stale.

    Another reader would otherwise take over a claim that is still being read at an agreed pace.
    """
    if rows_per_second is None:
        return most
    return max(1, min(most, rows_per_second * int(STALE_AFTER.total_seconds()) // 2))


def raise_together(faults: Sequence[InterfaceMismatch]) -> None:
    """Raise what is wrong with streams of a source, after the others have been landed."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise InterfaceMismatch(" ".join(map(str, faults))) from faults[0]


def reader_name(worker: str, source: str) -> str:
    """The name under which a worker reads the flag tables of one source.

    Tables of two sources may have one name and be read in the same second.
    """
    return f"{worker}|{source}"


def _note_unknown_flags(landing: Landing, table: FlagTable, name: str) -> Iterator[Delivery]:
    """Tell of rows that no claim can reach; nothing would ever be heard of them otherwise."""
    stuck = table.unknown_flags()
    source = landing.contract.source
    detail = (
        f"{stuck} rows have no ifc_seq, an ifc_status other than 0, 1, 2 and 9, or are being read "
        "under a token that is none"
    )
    ledger = landing.ledger
    for event in ledger.exchange_events(unresolved=True, source=source, code="unknown_flag"):
        if event.file == table.name and (not stuck or event.detail != detail):
            ledger.resolve_event(event.event_id, now=landing.now)
    if not stuck:
        return
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


def _note_resumed(landing: Landing, table: FlagTable, name: str, token: str) -> None:
    """Note that a reader died, or was too slow, before a claim was marked."""
    whose = "this reader" if table.is_own(token) else "another reader"
    landing.ledger.note_event(
        "resumed_claim",
        source=landing.contract.source,
        stream=name,
        batch_id=token,
        file=table.name,
        detail=f"{whose} left the claim {token} unfinished",
        now=landing.now,
    )


def _settle_resumed(landing: Landing, table: FlagTable) -> None:
    """Settle what was noted of claims that are marked by now."""
    for event in landing.ledger.exchange_events(
        unresolved=True, source=landing.contract.source, code="resumed_claim"
    ):
        if event.file == table.name:
            landing.ledger.resolve_event(event.event_id, now=landing.now)


def _land_claim(landing: Landing, table: FlagTable, name: str, token: str) -> Delivery:
    known = landing.ledger.batch(token)
    if known is not None and known.status in {"loaded", "superseded", "refused"}:
        _mark(landing, table, known)
        return delivery_of(known)
    stream = landing.contract.streams[name]
    interface = landing.contract.interface
    columns = list(stream.columns)
    read = table.load(
        landing.connection,
        token,
        fetch_size=interface.fetch_size,
        rows_per_second=interface.rows_per_second,
    )
    landing.at("read")
    type_told(landing, name, table.stream, extra=tuple(table.extra))
    counted, readable = counted_totals(landing.connection, table.stream, read.rows)
    reconciled = Reconciliation(read.declared, counted, readable)
    batch, rejected = drafted_batch(
        landing,
        name,
        columns,
        batch_id=token,
        interface="table",
        place=table.name,
        content_sha256=read.content_sha256,
        rows=read.rows,
    )
    batch = reconciled.noted(batch)
    refusal = refusal_of(stream, batch, reconciled)
    if refusal is None:
        kept = rejected_bytes(landing, stream, table.stream, table.extra)
        batch = landing.land(batch, rejected, kept, tuple(table.extra))
        note_findings(landing, name, table.findings)
    else:
        batch = landing.ledger.refuse(
            replace(batch, code=refusal.code, reason=refusal.reason),
            quarantine_rows(token, rejected[:FIRST_REJECTED]),
        )
        landing.at("refused")
    forget_told(landing)
    _mark(landing, table, batch)
    return delivery_of(batch)


def refusal_of(stream: Stream, batch: Batch, reconciled: Reconciliation) -> RefusedDelivery | None:
    """Why a batch that was read must not land, if it must not."""
    fault = reconciled.fault
    if not within_limit(stream, batch) and batch.declared_rows == batch.rows:
        reason = f"{batch.rejected} of {batch.rows} rows break the contract"
        return RefusedDelivery("reject_limit", reason)
    return fault


def note_findings(landing: Landing, name: str, findings: Sequence[ColumnFinding]) -> None:
    """Note what the columns of a table mean, once its rows have landed."""
    for finding in findings:
        landing.ledger.note_event(
            finding.code,
            source=landing.contract.source,
            stream=name,
            detail=finding.detail,
            now=landing.now,
        )


def type_told(
    landing: Landing, name: str, stream: Stream, op: str = "op", *, extra: Sequence[str] = ()
) -> None:
    """Make `typed` from the rows of `told`; one without a number is numbered as it came.

    `stream` is the contract's in the spellings in which the values come, `op` SQL of a record's
    operation; whatever is none of I, U and D rejects its row. Columns of `extra` come behind those
    of the contract, as texts.
    """
    connection = landing.connection
    values = {column: f"c{place}" for place, column in enumerate([*stream.columns, *extra])}
    nul = " or ".join(f"contains({value}, chr(0))" for value in values.values())
    connection.execute(
        f"""
        create or replace view told_record as
        select
            coalesce(try_cast(number as bigint), rowid + 1) as record_no,
            coalesce(nullif(upper(trim({op})), ''), 'I') as record_op,
            coalesce(flaw, case when {nul} then 'nul_byte' end) as record_flaw,
            {", ".join(values.values())}
        from told
        """
    )
    connection.execute(
        f"""
        create or replace view record as
        select
            record_no, record_no as line, record_op as op,
            coalesce(
                record_flaw,
                case when record_op not in ('I', 'U', 'D') then 'unknown_operation' end
            ) as flaw,
            [{", ".join(values.values())}] as fields
        from told_record
        """
    )
    typed = ColumnRules(stream, landing.contract.zone or landing.zone).select(
        "told_record",
        {column: f"nullif({value}, '')" for column, value in values.items()},
        carried=[
            "record_no as _record_no",
            "record_no as _line",
            "cast(null as bigint) as _offset",
            "cast(null as bigint) as _length",
            "record_op as _op",
        ],
        structure=[
            "when record_flaw is not null then '|' || record_flaw",
            "when record_op not in ('I', 'U', 'D') then '|unknown_operation'",
        ],
        op="record_op",
    )
    connection.execute(f"create or replace table typed as {typed}")
    if stream.mode != "changes":
        reject_repeated_keys(connection, stream.key)


def forget_told(landing: Landing) -> None:
    """Give back the room that the rows of a table took."""
    for kind, name in (("view", "record"), ("view", "told_record"), ("table", "told")):
        landing.connection.execute(f"drop {kind} if exists {name}")
    landing.connection.execute("drop table if exists typed")


def rejected_bytes(
    landing: Landing, stream: Stream, told: Stream, extra: Mapping[str, str]
) -> dict[int, bytes]:
    """What is kept of the rejected records of `typed`, by number.

    `told` is `stream` in the spellings in which the values came, which are kept with them; `extra`
    are columns that land beside those of the contract, the table's names by ours.
    """
    names = kept_names(stream, extra)
    return {
        number: as_json(texts, names, op=op, flaw=flaw, spellings=spellings(stream, told))
        for number, texts, op, flaw in landing.connection.execute(
            "select record_no, fields, op, flaw from record where record_no in "
            "(select _record_no from typed where _fault is not null)"
        ).fetchall()
    }


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
    type_records(
        landing.connection,
        stream,
        {column: number for number, column in enumerate(columns, 1)},
        width=len(columns),
        nulls=(),
        zone=landing.contract.zone or landing.zone,
    )
    return drafted_batch(
        landing,
        name,
        columns,
        batch_id=batch_id,
        interface=interface,
        place=place,
        content_sha256=content_sha256,
        rows=rows,
        sequence=sequence,
    )


def drafted_batch(
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
    """The batch that the `rows` records of `typed` make, and the records it must leave out.

    Of a batch that is not `within_limit` only the first of them are listed.
    """
    first, last = days_covered(landing, name)
    count = count_rejected(landing.connection)
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
        rows_loaded=rows - count,
        rejected=count,
        sums={},
        status="announced",
        code="malformed_row" if count else None,
        reason=f"{count} of {rows} rows are in quarantine" if count else None,
        supersedes=None,
        path=None,
        received_at=landing.arrival(name, landing.now),
        loaded_at=None,
    )
    most = None if within_limit(landing.contract.streams[name], batch) else FIRST_REJECTED
    places = {column: number for number, column in enumerate(columns, 1)}
    return batch, rejected_records(landing.connection, places, most) if count else []


def within_limit(stream: Stream, batch: Batch) -> bool:
    """Whether so many records may be rejected; each is kept apart, so there is an end to it."""
    return batch.rejected <= MOST_REJECTED and stream.reject_limit.allows(
        batch.rejected, batch.rows
    )


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
        landing.at("marked")
        return
    errors = {
        row.line: f"{row.code}: {row.column_name or 'record'} {row.reason}"
        for row in landing.ledger.quarantine(batch_id=batch.batch_id)
        if row.line is not None
    }
    marked = table.mark(batch.batch_id, errors, now=landing.now)
    landing.at("marked")
    if marked < batch.rows:
        landing.ledger.note_event(
            "changed_claim",
            source=batch.source,
            stream=batch.stream,
            batch_id=batch.batch_id,
            file=table.name,
            detail=f"{batch.rows - marked} of {batch.rows} rows were taken back while being read",
            now=landing.now,
        )
    _confirm(landing, batch)


def _confirm_marked(landing: Landing, table: FlagTable, name: str) -> None:
    """Note the confirmation of claims that were marked before a process died.

    What is not marked was found among the claims left behind.
    """
    for batch in landing.ledger.unconfirmed(landing.contract.source):
        if batch.stream == name and batch.place == table.name:
            _confirm(landing, batch)


def _confirm(landing: Landing, batch: Batch) -> None:
    result = "partial" if batch.rejected else "ok"
    landing.ledger.confirm(Confirmation(batch.batch_id, "flags", batch.place, result, landing.now))
