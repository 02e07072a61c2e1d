"""Arrivals: whether a landing would find something new, looked at without taking or writing it."""

from __future__ import annotations

import os
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from connectors.contract import Contract
from connectors.errors import RefusedDelivery, SourceUnreachable
from connectors.files import (
    Waiting,
    file_batch_id,
    hash_file,
    parse_send_log,
    waiting_files,
)
from connectors.ledger import Ledger
from connectors.ledger_rows import ExchangeEvent
from connectors.table_landing import STALE_AFTER
from connectors.tables import FlagTable, open_database


def arrivals(
    contract: Contract, *, home: Path, ledger: Ledger, now: datetime, worker: str | None = None
) -> tuple[str, ...]:
    """Names of files or flag tables of a source that hold something a landing has not settled.

    A file that was refused or noted stays settled until it, its log or its content changes. The
    inbox tells nothing here: it is drained by itself. Raises SourceUnreachable and
    InterfaceMismatch for a table interface.
    """
    if contract.interface.type == "files":
        return _files(contract, home, ledger)
    if contract.interface.type == "table":
        return _tables(contract, home, now, worker or str(home.resolve()))
    return ()


def _files(contract: Contract, home: Path, ledger: Ledger) -> tuple[str, ...]:
    files, orphans = waiting_files(home / contract.interface.location)
    if not files and not orphans:
        return ()
    events = ledger.exchange_events(unresolved=True, source=contract.source)
    new = [name for name in orphans if not _noted(events, "missing_file", name)]
    new.extend(
        waiting.path.name for waiting in files if not _is_settled(waiting, contract, ledger, events)
    )
    return tuple(sorted(new))


def _is_settled(
    waiting: Waiting, contract: Contract, ledger: Ledger, events: list[ExchangeEvent]
) -> bool:
    """Whether a landing would pass the file by; the cases are those of `file_landing`."""
    name = waiting.path.name
    if waiting.log_bytes is None:
        return _noted(events, "missing_log", name)
    try:
        log = parse_send_log(waiting.log_bytes)
    except RefusedDelivery as refusal:
        return _noted(events, refusal.code, name, refusal.reason)
    named = (log.file, log.source) == (name, contract.source) and log.stream in contract.streams
    if not named:
        return any(e.code == "lying_log" and e.file == _shown(name) for e in events)
    try:
        sha256 = _content_sha256(waiting.path)
    except FileNotFoundError:
        # It was landed and archived between the listing and this look.
        return True
    batch = ledger.batch(file_batch_id(log, sha256))
    if batch is None or batch.status == "announced":
        return False
    if batch.status == "refused":
        return batch.log_sha256 == waiting.log_sha256
    return any(
        (e.code, e.file, e.batch_id) == ("duplicate_batch", name, batch.batch_id) for e in events
    )


def _noted(events: list[ExchangeEvent], code: str, name: str, detail: str | None = None) -> bool:
    return any(
        event.code == code and event.file == _shown(name) and detail in (None, event.detail)
        for event in events
    )


def _shown(name: str) -> str:
    """The name as the ledger keeps it, in which bytes that are not UTF-8 are replaced."""
    return os.fsencode(name).decode("utf-8", errors="replace")


def _content_sha256(path: Path) -> str:
    status = path.stat()
    return _sha256(path, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _sha256(path: Path, _inode: int, _size: int, _changed: int) -> str:
    """Hash a file once for as long as it stays as it is: a refused file lies there for days."""
    return hash_file(path)


def _tables(contract: Contract, home: Path, now: datetime, worker: str) -> tuple[str, ...]:
    engine = open_database(contract.interface.location, home)
    try:
        tables = [
            FlagTable(engine, name, stream, worker=worker)
            for name, stream in contract.streams.items()
        ]
        return tuple(
            table.name
            for table in tables
            if table.has_new() or table.left_behind(now=now, stale_after=STALE_AFTER)
        )
    except SQLAlchemyError as error:
        told = error.orig if isinstance(error, DBAPIError) else error
        raise SourceUnreachable(
            f"Looking for new rows of source '{contract.source}' at {contract.interface.location} "
            f"failed: {type(told).__name__}. Nothing was claimed. Trying again helps when the "
            "database is only busy or down; otherwise its owner must mend it."
        ) from error
    finally:
        engine.dispose()
