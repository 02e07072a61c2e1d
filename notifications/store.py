"""The operational store: opening ops.db, its migrations, and inserts that may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError

from notifications.errors import StoreError

_CHUNK = 500


def open_store(url: str) -> Engine:
    """Open the store at a SQLAlchemy URL, for example `sqlite:////home/ops.db`.

    SQLite runs in WAL mode with full synchronisation; a transaction of `engine.begin()` takes the
    write lock at its start, one of `reading(engine)` does not.
    """
    if not url.startswith("sqlite"):
        return sa.create_engine(url)
    engine = sa.create_engine(url, connect_args={"isolation_level": None, "timeout": 10})

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=10000")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        only_reads = connection.get_execution_options().get("only_reads", False)
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")

    return engine


def reading(engine: Engine) -> Connection:
    """Return a connection (a context manager) whose transactions take no write lock."""
    return engine.connect().execution_options(only_reads=True)


def migrate(url: str) -> None:
    """Bring the tables at `url` to the newest version; run once before any process starts.

    Raises StoreError when the store cannot be opened.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = open_store(url)
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (DatabaseError, CommandError) as error:
        shown = sa.make_url(url).render_as_string(hide_password=True)
        cause = error.orig if isinstance(error, DatabaseError) else error
        raise StoreError(
            f"Opening the operational store {shown} failed: {cause}. Trying again helps only if "
            "another process held it or the disk was full; otherwise restore the file from a "
            "backup. Messages already sent are recorded there: do not simply delete it."
        ) from error
    finally:
        engine.dispose()


def insert_missing(
    connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], key: Sequence[str]
) -> int:
    """Insert the rows whose `key` columns are not there yet; return how many were added."""
    dialect = connection.dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement: Any = insert(table)
    statement = statement.on_conflict_do_nothing(index_elements=list(key))
    added = 0
    for start in range(0, len(rows), _CHUNK):
        result = connection.execute(statement, [dict(row) for row in rows[start : start + _CHUNK]])
        added += result.rowcount
    return added
