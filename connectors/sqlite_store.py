"""Opening of our SQLite stores: durable settings, migrations once, explicit transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from connectors.errors import StoreError


def open_store(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    """Open (and create) a store and bring it to the version of `migrations`.

    Each migration is a script of statements that runs once; `user_version` counts them. Raises
    StoreError if the file is no database or was written by a newer program.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(path, timeout=10, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("pragma busy_timeout = 10000")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        _migrate(connection, path, migrations)
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"Opening the store {path} failed: {error}. Trying again helps only if another "
            "process holds it; otherwise restore the file from a backup."
        ) from error
    return connection


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    if _version(connection) == len(migrations):
        return
    with transaction(connection):
        version = _version(connection)
        if version > len(migrations):
            raise StoreError(
                f"Opening the store {path} failed: it has version {version}, this program knows "
                f"{len(migrations)}. Trying again does not help; use the newer program."
            )
        for script in migrations[version:]:
            for statement in script.split(";"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f"pragma user_version = {len(migrations)}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("pragma user_version").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block in one writing transaction; roll back if it raises.

    Inside another one it belongs to that, and ends with it.
    """
    if connection.in_transaction:
        yield
        return
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def as_text(instant: datetime) -> str:
    """Write an aware instant as sortable ISO text in UTC."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def as_instant(text: str) -> datetime:
    """Read what `as_text` wrote."""
    return datetime.fromisoformat(text)
