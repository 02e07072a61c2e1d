"""The table interface: flag tables in a database that both sides reach.

Columns of a flag table: the business columns and ifc_seq, ifc_status (0 new, 1 reading, 2 done,
9 error), ifc_op (I, U, D), ifc_batch, ifc_claimed_at, ifc_processed_at, ifc_error. A claim writes
a token and status 1 in one statement; the token is the batch id and fixes the slice for ever:
a claim that was left behind is resumed under its token, nothing returns to 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from connectors.contract import Column, Stream
from connectors.errors import InterfaceMismatch, SourceUnreachable

NEW, READING, DONE, ERROR = 0, 1, 2, 9
_FLAGS = (
    "ifc_seq",
    "ifc_status",
    "ifc_op",
    "ifc_batch",
    "ifc_claimed_at",
    "ifc_processed_at",
    "ifc_error",
)
_WRITTEN = "%Y-%m-%d %H:%M:%S"


def open_database(location: str, home: Path) -> sa.Engine:
    """Open the database of a table interface; a relative SQLite path starts at the home.

    Raises SourceUnreachable when it is not there, InterfaceMismatch when no URL or driver fits.
    """
    try:
        url = sa.make_url(location)
    except ArgumentError as error:
        raise InterfaceMismatch(
            "Connecting to an interface database failed: its location is not a database URL. "
            "Trying again does not help; correct 'location' in its contract."
        ) from error
    if url.get_backend_name() == "sqlite" and url.database:
        path = home / url.database
        if not path.is_file():
            raise SourceUnreachable(
                f"Opening the interface database {path} failed: there is no such file. Trying "
                "again helps once the source system has written it; otherwise correct 'location' "
                "in its contract."
            )
        engine = sa.create_engine(url.set(database=str(path)), connect_args={"timeout": 10})
        sa.event.listen(engine, "connect", _keep_undecodable_text)
    else:
        engine = _create_engine(url)
    try:
        with engine.connect():
            return engine
    except SQLAlchemyError as error:
        shown = url.render_as_string(hide_password=True)
        raise SourceUnreachable(
            f"Connecting to {shown} failed: {type(error).__name__}. Trying again helps when the "
            "database is only down; otherwise correct 'location' in its contract."
        ) from error


def _create_engine(url: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(url)
    except (ArgumentError, ImportError) as error:
        raise InterfaceMismatch(
            f"Connecting to {url.render_as_string(hide_password=True)} failed: no driver for it is "
            "installed. Trying again does not help; install its Python driver or correct "
            "'location' in its contract."
        ) from error


def _keep_undecodable_text(connection: Any, _record: Any) -> None:
    """Let SQLite hand over text that is not UTF-8, so that one row is rejected not the table."""
    connection.text_factory = lambda raw: raw.decode("utf-8", errors="surrogateescape")


class FlagTable:
    """One flag table, read by one worker.

    `worker` names the reader; two readers of one table must have different names, and a reader
    keeps its name over restarts, so that it finds the claims it left behind.
    """

    def __init__(self, engine: sa.Engine, stream_name: str, stream: Stream, *, worker: str) -> None:
        self.name = f"ifc_{stream_name}"
        self._engine = engine
        self._stream = stream
        self._tag = hashlib.sha256(worker.encode()).hexdigest()[:8]
        names = [*stream.columns, *_FLAGS]
        self._table = sa.table(self.name, *(sa.column(name) for name in names))
        inspector = sa.inspect(engine)
        if not inspector.has_table(self.name):
            raise InterfaceMismatch(
                f"Reading the flag table {self.name} failed: it does not exist. Trying again does "
                "not help; the source system must create it."
            )
        present = {column["name"] for column in inspector.get_columns(self.name)}
        missing = [name for name in names if name not in present]
        if missing:
            raise InterfaceMismatch(
                f"Reading the flag table {self.name} failed: it lacks {', '.join(missing)}. Trying "
                "again does not help; the table must have the agreed columns."
            )

    def left_behind(self, *, now: datetime, stale_after: timedelta) -> list[str]:
        """Tokens of claims that nobody works on, in the order of their rows.

        These are this worker's own (it has just started, so they are from before) and those that
        another worker claimed longer ago than `stale_after`.
        """
        flags = self._table.c
        query = (
            sa.select(flags.ifc_batch, sa.func.min(flags.ifc_claimed_at))
            .where(flags.ifc_status == READING)
            .group_by(flags.ifc_batch)
            .order_by(sa.func.min(flags.ifc_seq))
        )
        limit = _written(now - stale_after)
        with self._engine.connect() as connection:
            return [
                str(token)
                for token, claimed_at in connection.execute(query)
                if token is not None
                and (str(token).startswith(self._tag) or str(claimed_at or "") <= limit)
            ]

    def claim(self, *, limit: int, ordinal: int, now: datetime) -> str | None:
        """Claim up to `limit` new rows and return their token, or None if there is none.

        `ordinal` is the number of this reader's earlier batches: it keeps tokens apart when a
        source puts the same rows out again.
        """
        flags = self._table.c
        with self._engine.begin() as connection:
            first = connection.execute(
                sa.select(sa.func.min(flags.ifc_seq)).where(flags.ifc_status == NEW)
            ).scalar()
        if first is None:
            return None
        seed = f"{self._tag}|{self.name}|{first}|{ordinal}|{_written(now)}"
        token = f"{self._tag}{hashlib.sha256(seed.encode()).hexdigest()[:24]}"
        waiting = (
            sa.select(flags.ifc_seq)
            .where(flags.ifc_status == NEW)
            .order_by(flags.ifc_seq)
            .limit(limit)
            .subquery("waiting")
        )
        statement = (
            sa.update(self._table)
            .where(flags.ifc_status == NEW)
            .where(flags.ifc_seq <= sa.select(sa.func.max(waiting.c.ifc_seq)).scalar_subquery())
            .values(ifc_status=READING, ifc_batch=token, ifc_claimed_at=_written(now))
        )
        with self._engine.begin() as connection:
            claimed = connection.execute(statement).rowcount
        return token if claimed else self.claim(limit=limit, ordinal=ordinal, now=now)

    def has_new(self) -> bool:
        """Whether a row waits to be claimed."""
        flags = self._table.c
        query = sa.select(flags.ifc_seq).where(flags.ifc_status == NEW, flags.ifc_seq.is_not(None))
        with self._engine.connect() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def unknown_flags(self) -> int:
        """Count rows that no reader can ever claim: no number, or a status nobody agreed on."""
        flags = self._table.c
        agreed = flags.ifc_status.in_([NEW, READING, DONE, ERROR])
        query = sa.select(sa.func.count()).where(
            sa.or_(flags.ifc_seq.is_(None), flags.ifc_status.is_(None), sa.not_(agreed))
        )
        with self._engine.connect() as connection:
            return int(connection.execute(query.select_from(self._table)).scalar_one())

    def rows(self, token: str, *, block: int = 10_000) -> Iterator[list[tuple[Any, ...]]]:
        """Stream the rows of a claim in blocks: (ifc_seq, op, [texts in contract order], flaw).

        `flaw` says why a row's values are no text, else None. Raises InterfaceMismatch when rows
        have no numbers of their own.
        """
        flags = self._table.c
        query = (
            sa.select(flags.ifc_seq, flags.ifc_op, *(flags[name] for name in self._stream.columns))
            .where(flags.ifc_batch == token)
            .order_by(flags.ifc_seq)
        )
        columns = list(self._stream.columns.values())
        with self._engine.connect().execution_options(yield_per=block) as connection:
            last: Any = None
            for part in connection.execute(query).partitions():
                rows = []
                for number, op, *values in part:
                    if not isinstance(number, int) or number == last:
                        raise InterfaceMismatch(
                            f"Reading the flag table {self.name} failed: ifc_seq must be a number "
                            "of its own in every row. Trying again helps once the source system "
                            "has numbered its rows; none of these was landed."
                        )
                    last = number
                    texts = [
                        _text(value, column) for value, column in zip(values, columns, strict=True)
                    ]
                    flaw = next(filter(None, map(_flaw, texts)), None)
                    known = [_replaced(text) for text in texts]
                    rows.append((number, _replaced(str(op or "I").upper()), known, flaw))
                yield rows

    def mark(self, token: str, errors: Mapping[int, str], *, now: datetime) -> None:
        """Mark the rows of a claim done, those in `errors` (by ifc_seq) as errors with reason."""
        flags = self._table.c
        done = (
            sa.update(self._table)
            .where(flags.ifc_batch == token, flags.ifc_status == READING)
            .values(ifc_status=DONE, ifc_processed_at=_written(now), ifc_error=None)
        )
        with self._engine.begin() as connection:
            if errors:
                failed = (
                    sa.update(self._table)
                    .where(flags.ifc_batch == token, flags.ifc_seq == sa.bindparam("seq"))
                    .values(
                        ifc_status=ERROR,
                        ifc_processed_at=_written(now),
                        ifc_error=sa.bindparam("why"),
                    )
                )
                given = [{"seq": seq, "why": reason} for seq, reason in errors.items()]
                connection.execute(failed, given)
            connection.execute(done)

    def refuse(self, token: str, reason: str, *, now: datetime) -> None:
        """Mark all rows of a claim as errors with one reason."""
        flags = self._table.c
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(self._table)
                .where(flags.ifc_batch == token, flags.ifc_status == READING)
                .values(ifc_status=ERROR, ifc_processed_at=_written(now), ifc_error=reason)
            )


def _written(instant: datetime) -> str:
    """Write an instant for the flag columns: text in UTC, the same on every site."""
    return instant.astimezone(UTC).strftime(_WRITTEN)


def _text(value: Any, column: Column) -> str | None:
    """Bring what a driver returns to the text that the contract's rules read."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | memoryview):
        # A blob is no text, whatever its bytes spell: its half character rejects the row.
        return "\udcff"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        return value.strftime((column.format or (_WRITTEN,))[0])
    if isinstance(value, date):
        return value.strftime((column.format or ("%Y-%m-%d",))[0])
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def _flaw(text: str | None) -> str | None:
    """Say why a value cannot stand as text, else None."""
    if text is None:
        return None
    if "\0" in text:
        return "nul_byte"
    # Bytes that are not UTF-8 arrive as halves of characters.
    return "broken_encoding" if any("\ud800" <= one <= "\udfff" for one in text) else None


def _replaced(text: str | None) -> str | None:
    return text and text.encode("utf-8", errors="replace").decode("utf-8")
