"""Arrivals: whether a landing would find something new, looked at without taking or writing it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from connectors.contract import Contract
from connectors.databases.database import open_database
from connectors.databases.extract_landing import due_extracts
from connectors.databases.flag_tables import FlagTable
from connectors.databases.table_landing import STALE_AFTER, reader_name
from connectors.errors import RefusedDelivery
from connectors.files.exchange import (
    Waiting,
    file_batch_id,
    list_files,
    parse_send_log,
)
from connectors.files.ledger import FileLedger
from connectors.files.mail_landing import mail_arrivals
from connectors.ledger import Ledger
from connectors.places.place import Place, Secret, no_secret, open_place, shown_name
from connectors.reading_hours import outside_hours


def arrivals(
    contract: Contract,
    *,
    home: Path,
    ledger: Ledger,
    now: datetime,
    worker: str | None = None,
    secret: Secret = no_secret,
    zone: str | None = None,
) -> tuple[str, ...]:
    """Names of files or flag tables of a source that hold something a landing has not settled.

    A file that was refused or noted stays settled until it, its log or its content changes. An
    extract is not looked at: its tables are named when they are due. The inbox tells nothing here:
    it is drained by itself. Raises SourceUnreachable and
    InterfaceMismatch for a table interface.
    """
    if zone is not None and outside_hours(contract, now, zone) is not None:
        return ()
    if contract.interface.format == "mail":
        return mail_arrivals(contract, home, secret)
    if contract.interface.type == "files":
        return _files(contract, home, ledger, now, secret)
    if contract.interface.type == "table":
        return _tables(contract, home, now, worker or ledger.home_id(), secret)
    if contract.interface.type == "extract":
        return tuple(due_extracts(contract, ledger.last_looks(), now, zone or "UTC"))
    return ()


def _files(
    contract: Contract, home: Path, ledger: Ledger, now: datetime, secret: Secret
) -> tuple[str, ...]:
    location, source = contract.interface.location, contract.source
    with open_place(location, home, secret=secret, owner=source) as place:
        listing = list_files(place)
        history = FileLedger(ledger, source)
        new = [name for name in listing.orphans if not _noted(history, "missing_file", name)]
        new += [name for name in listing.unreadable if not _noted(history, "unreadable_file", name)]
        new += [
            waiting.name
            for waiting in listing.files
            if not _is_settled(waiting, contract, ledger, history, place, now)
        ]
    return tuple(sorted(new))


def _is_settled(
    waiting: Waiting,
    contract: Contract,
    ledger: Ledger,
    history: FileLedger,
    place: Place,
    now: datetime,
) -> bool:
    """Whether a landing would pass the file by; the cases are those of `files.landing`."""
    name = waiting.name
    if waiting.log_bytes is None:
        return waiting.may_still_get_log(now) or _noted(history, "missing_log", name)
    try:
        log = parse_send_log(waiting.log_bytes)
    except RefusedDelivery as refusal:
        return _noted(history, refusal.code, name, refusal.reason)
    named = (log.file, log.source) == (name, contract.source) and log.stream in contract.streams
    if not named:
        return _noted(history, "lying_log", name)
    sha256 = history.seen_sha256(name, waiting.stamp)
    if sha256 is None:
        # What a landing has left where it lies was noted then; this is new, changed or unreadable.
        return _noted(history, "unreadable_file", name) and not _is_readable(place, name)
    same = history.of_content(file_batch_id(log, sha256))
    if not same:
        return False
    batch = next((one for one in same if one.status == "loaded"), same[-1])
    if batch.status == "announced":
        return False
    if batch.status == "refused":
        return batch.log_sha256 == waiting.log_sha256
    return any(
        event.batch_id == batch.batch_id
        for event in history.open_events_of(name, ["duplicate_batch"])
    )


def _is_readable(place: Place, name: str) -> bool:
    try:
        place.read(name, 1)
    except (PermissionError, FileNotFoundError):
        return False
    return True


def _noted(history: FileLedger, code: str, name: str, detail: str | None = None) -> bool:
    return any(
        detail in (None, event.detail) for event in history.open_events_of(shown_name(name), [code])
    )


def _tables(
    contract: Contract, home: Path, now: datetime, worker: str, secret: Secret
) -> tuple[str, ...]:
    name = contract.source
    engine = open_database(contract.interface.location, home, secret=secret, owner=name)
    try:
        tables = [
            FlagTable(engine, stream_name, stream, worker=reader_name(worker, name))
            for stream_name, stream in contract.streams.items()
        ]
        return tuple(
            table.name
            for table in tables
            if table.has_new() or table.left_behind(now=now, stale_after=STALE_AFTER)
        )
    finally:
        engine.dispose()
