"""Flag tables that we fill for a partner: the partner claims the rows and marks them.

The partner works on them as we work on its own: status 0 is new, 1 being read, 2 done, 9 an error
with its reason. A batch of ours is there whole or not at all; written again it changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types
from sqlalchemy.dialects import mysql

from connectors.contract import Column
from connectors.databases.database import explained, table_of
from connectors.databases.flag_tables import DONE, ERROR, NEW, READING
from connectors.errors import InterfaceMismatch

BATCH = "ifc_export"
_ROWS_AT_ONCE = 1_000
_LOCK_SECONDS = 30
_MOMENTS = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class OutboundFlags:
    """What a partner has done with a batch of ours: rows by state, and its reasons by ifc_seq."""

    new: int
    reading: int
    done: int
    failed: int
    errors: Mapping[int, str]

    @property
    def rows(self) -> int:
        """All rows of the batch that are there."""
        return self.new + self.reading + self.done + self.failed


def append_outbound(
    engine: sa.Engine,
    table: str,
    columns: Mapping[str, Column],
    rows: Iterable[Sequence[Any]],
    *,
    batch: str,
) -> int:
    """Append the rows of a batch in one transaction and return how many were added.

    The table is made if it is missing; `rows` have the columns' order and hold texts or values of
    Python, instants naive in UTC or aware. A batch that is there already adds nothing. Raises
    SourceUnreachable or InterfaceMismatch; then nothing of the batch was added.
    """
    target = _table(table, columns)
    _create(engine, target)
    is_sqlite = engine.dialect.name == "sqlite"
    with (
        explained("Writing rows to", engine),
        engine.connect() as session,
        _only_one_writer(session, target.fullname),
        session.begin(),
    ):
        if is_sqlite:
            # Reading first and writing then would let a second writer in between.
            session.exec_driver_sql("begin immediate")
        if session.execute(
            sa.select(target.c[BATCH]).where(target.c[BATCH] == batch).limit(1)
        ).first():
            return 0
        last = session.execute(sa.select(sa.func.max(target.c.ifc_seq))).scalar() or 0
        added = 0
        for some in _in_parts(rows, _ROWS_AT_ONCE):
            given = [
                {
                    **_values(columns, row, added + number, exact_texts=is_sqlite),
                    "ifc_seq": last + added + number,
                    "ifc_status": NEW,
                    "ifc_op": "I",
                    BATCH: batch,
                }
                for number, row in enumerate(some, 1)
            ]
            session.execute(sa.insert(target), given)
            added += len(given)
    return added


def outbound_flags(engine: sa.Engine, table: str, batch: str) -> OutboundFlags:
    """Look at what the partner has done with a batch; a missing table holds nothing of it."""
    schema, name = table_of(table)
    with explained("Looking at the flags of", engine):
        if not sa.inspect(engine).has_table(name, schema=schema):
            return OutboundFlags(0, 0, 0, 0, {})
    found = sa.table(
        name,
        *(sa.column(one) for one in ("ifc_seq", "ifc_status", "ifc_error", BATCH)),
        schema=schema,
    )
    counting = (
        sa.select(found.c.ifc_status, sa.func.count())
        .where(found.c[BATCH] == batch)
        .group_by(found.c.ifc_status)
    )
    failing = sa.select(found.c.ifc_seq, found.c.ifc_error).where(
        found.c[BATCH] == batch, found.c.ifc_status == ERROR
    )
    with explained("Looking at the flags of", engine), engine.connect() as session:
        counts: dict[Any, int] = {row[0]: int(row[1]) for row in session.execute(counting)}
        errors = {int(row[0]): str(row[1] or "") for row in session.execute(failing)}
    known = {NEW, READING, DONE, ERROR}
    return OutboundFlags(
        # A status nobody agreed on is no answer: the row still waits.
        new=counts.get(NEW, 0) + sum(rows for one, rows in counts.items() if one not in known),
        reading=counts.get(READING, 0),
        done=counts.get(DONE, 0),
        failed=counts.get(ERROR, 0),
        errors=errors,
    )


def _table(name: str, columns: Mapping[str, Column]) -> sa.Table:
    """The agreed table: our columns, the flags and `ifc_export`, the batch of ours a row came in.

    `ifc_batch` is the partner's: it takes the token of its claim.
    """
    schema, plain = table_of(name)
    # Fractions of a second are lost where a type does not ask for them.
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    flags: list[sa.Column[Any]] = [
        sa.Column("ifc_seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("ifc_status", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("ifc_op", sa.CHAR(1), nullable=False, server_default="I"),
        sa.Column("ifc_batch", sa.String(64)),
        sa.Column("ifc_claimed_at", moment),
        sa.Column("ifc_processed_at", moment),
        sa.Column("ifc_error", sa.String(500)),
        sa.Column(BATCH, sa.String(64), nullable=False),
    ]
    own: list[sa.Column[Any]] = [
        sa.Column(name, _type(column, moment)) for name, column in columns.items()
    ]
    return sa.Table(
        plain,
        sa.MetaData(schema=schema),
        *own,
        *flags,
        sa.Index(f"{plain}_by_export", BATCH),
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )


def _type(column: Column, moment: types.TypeEngine[Any]) -> types.TypeEngine[Any]:
    if column.scale is not None:
        # SQLite keeps decimals as binary fractions, unless they are text.
        precision = int(column.type[len("decimal(") :].split(",")[0])
        exact = sa.Numeric(precision, column.scale)
        return exact.with_variant(sa.Text(), "sqlite")
    if column.type == "string":
        long = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
        return sa.String(column.length) if column.length else long
    plain: dict[str, types.TypeEngine[Any]] = {
        "integer": sa.Integer(),
        "bigint": sa.BigInteger(),
        "boolean": sa.Boolean(),
        "date": sa.Date(),
        "timestamp": moment,
    }
    return plain[column.type]


def _create(engine: sa.Engine, target: sa.Table) -> None:
    """Make the table unless it is there; one that lacks a column is told."""
    with explained("Looking at the tables of", engine):
        inspector = sa.inspect(engine)
        if not inspector.has_table(target.name, schema=target.schema):
            with engine.begin() as session:
                target.create(session, checkfirst=True)
            inspector = sa.inspect(engine)
        present = {one["name"] for one in inspector.get_columns(target.name, schema=target.schema)}
    missing = [column.name for column in target.columns if column.name not in present]
    if missing:
        raise InterfaceMismatch(
            f"Writing to the table {target.fullname} failed: it lacks {', '.join(missing)}. Trying "
            "again does not help; add the columns, or have the table made anew under another name."
        )


@contextmanager
def _only_one_writer(session: sa.Connection, name: str) -> Iterator[None]:
    """Hold off other writers of ours, so that numbers grow in the order of commits.

    The lock needs no right to the table and goes with the session.
    """
    backend = session.engine.dialect.name
    lock = hashlib.sha256(f"huiyin {name}".encode()).hexdigest()[:60]
    if backend == "postgresql":
        number = int(lock[:15], 16)
        taking = sa.select(sa.func.pg_advisory_lock(number))
        giving = sa.select(sa.func.pg_advisory_unlock(number))
    elif backend in {"mariadb", "mysql"}:
        taking = sa.select(sa.func.get_lock(lock, _LOCK_SECONDS))
        giving = sa.select(sa.func.release_lock(lock))
    else:
        yield
        return
    session.execute(taking)
    session.commit()
    try:
        yield
    finally:
        if not session.closed and not session.invalidated:
            session.execute(giving)
            session.commit()


def _values(
    columns: Mapping[str, Column], row: Sequence[Any], number: int, *, exact_texts: bool
) -> dict[str, Any]:
    """The values of a row as its table takes them; `exact_texts` keeps decimals as texts."""
    if len(row) != len(columns):
        raise InterfaceMismatch(
            f"Writing row {number} of an export failed: it has {len(row)} values for "
            f"{len(columns)} columns. Trying again does not help; correct the export."
        )
    found = {}
    for (name, column), value in zip(columns.items(), row, strict=True):
        try:
            found[name] = _value(column, value)
            if exact_texts and isinstance(found[name], Decimal):
                found[name] = format(found[name], "f")
        except (ValueError, InvalidOperation) as error:
            raise InterfaceMismatch(
                f"Writing row {number} of an export failed: its column {name} holds what is no "
                f"{column.type}. Trying again does not help; correct the export."
            ) from error
    return found


def _value(column: Column, value: Any) -> Any:
    if value is None or (value == "" and column.type != "string"):
        return None
    if column.type == "string":
        return str(value)
    if column.type in {"integer", "bigint"}:
        return int(value)
    if column.scale is not None:
        return Decimal(str(value))
    if column.type == "boolean":
        return _boolean(value)
    if column.type == "date":
        return value if isinstance(value, date) else _parsed(column, str(value)).date()
    moment = value if isinstance(value, datetime) else _parsed(column, str(value))
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"1": True, "true": True, "0": False, "false": False}
    try:
        return known[str(value).lower()]
    except KeyError:
        raise ValueError from None


def _parsed(column: Column, text: str) -> datetime:
    formats = column.format or (("%Y-%m-%d",) if column.type == "date" else _MOMENTS)
    for pattern in formats:
        try:
            return datetime.strptime(text, pattern)  # noqa: DTZ007 - as the export wrote it
        except ValueError:
            continue
    return datetime.fromisoformat(text)


def _in_parts(rows: Iterable[Sequence[Any]], size: int) -> Iterator[list[Sequence[Any]]]:
    rest = iter(rows)
    while part := list(islice(rest, size)):
        yield part
