"""Bulk reading of a partner's table: one query becomes Arrow batches of texts, never a whole table.

PostgreSQL hands over its binary copy through ADBC; MariaDB streams through an unbuffered cursor;
other databases are read in blocks. The first columns are `number`, `op` and `flaw`, then come the
contract's under the names c0, c1, …
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

from connectors.databases.database import driver_errors, failure, session_settings
from connectors.databases.table_columns import PartnerTable, value_text

Sleep = Callable[[float], None]
Look = Callable[[pa.RecordBatch], None]


# How a session of databases that are read in blocks sees one state of them in all its queries.
_SNAPSHOTS = {"sqlite": "begin", "oracle": "set transaction read only"}


def no_look(batch: pa.RecordBatch) -> None:
    """Look at nothing."""


_NUMBER, _OP, _FLAW = "number", "op", "flaw"


class Told(NamedTuple):
    """What a database told: how many rows came, and its answer to what was asked beside them."""

    rows: int
    totals: Sequence[str | None]


class _Queries(NamedTuple):
    """The queries of one reading, answered from one snapshot; the totals come first."""

    totals: sa.Select[Any]
    rows: sa.Select[Any]
    width: int

    @property
    def schemas(self) -> tuple[pa.Schema, pa.Schema]:
        """The schemas of the answers."""
        names = [f"t{place}" for place in range(len(self.totals.selected_columns))]
        return pa.schema([(name, pa.string()) for name in names]), _schema(self.width)


def told_rows(
    engine: sa.Engine,
    table: PartnerTable,
    *,
    number: sa.ColumnElement[Any] | None,
    op: sa.ColumnElement[Any] | None,
) -> sa.Select[Any]:
    """The query whose rows `load_records` reads; the caller adds what chooses them."""
    backend = engine.url.get_backend_name()

    def text(column: sa.ColumnElement[Any] | None) -> sa.ColumnElement[Any]:
        return sa.cast(sa.null() if column is None else column, sa.Text)

    if backend not in {"postgresql", "mariadb", "mysql"}:
        first = [sa.null() if column is None else column for column in (number, op)]
    elif backend == "postgresql":
        first = [text(number), text(op)]
    else:
        first = [sa.cast(sa.null() if one is None else one, sa.CHAR) for one in (number, op)]
    flaw = table.flaw(backend)
    values = [column.text(backend) for column in table.columns]
    named = [
        expression.label(name)
        for name, expression in zip(
            [_NUMBER, _OP, _FLAW, *(f"c{place}" for place in range(len(values)))],
            [*first, flaw, *values],
            strict=True,
        )
    ]
    return sa.select(*named).select_from(table.table)


def load_records(
    connection: duckdb.DuckDBPyConnection,
    engine: sa.Engine,
    query: sa.Select[Any],
    *,
    width: int,
    totals: Sequence[sa.ColumnElement[Any]],
    doing: str,
    fetch_size: int,
    read_only: bool = False,
    rows_per_second: int | None = None,
    sleep: Sleep = time.sleep,
    look: Look = no_look,
) -> Told:
    """Make the table `told` of `connection` from a query of `told_rows`.

    `totals` are aggregates of the same rows that the database is asked in the same snapshot. While
    a batch is put there the next is read; `look` sees each in its order, on another thread. Raises
    SourceUnreachable or InterfaceMismatch when the database fails, however far it came; the rows
    read until then are of no use to anybody.
    """
    backend = engine.url.get_backend_name()
    read = {"postgresql": _adbc, "mariadb": _unbuffered, "mysql": _unbuffered}.get(backend, _blocks)
    connection.register("_told", _schema(width).empty_table())
    connection.execute("create or replace table told as select * from _told")
    rows = 0
    asked = query.with_only_columns(*totals, maintain_column_froms=True)
    batches = read(engine, _Queries(asked, query, width), fetch_size, read_only)

    def read_next() -> pa.RecordBatch | None:
        batch = _next(batches, doing, engine)
        if batch is not None:
            look(batch)
        return batch

    with ThreadPoolExecutor(1) as reader:
        try:
            answer = reader.submit(_next, batches, doing, engine).result()
            assert answer is not None
            coming = reader.submit(read_next)
            while (batch := coming.result()) is not None:
                if rows_per_second:
                    sleep(batch.num_rows / rows_per_second)
                coming = reader.submit(read_next)
                connection.register("_told", batch)
                connection.execute("insert into told select * from _told")
                rows += batch.num_rows
        finally:
            # The thread that opened the session closes it.
            reader.submit(batches.close).result()
    connection.unregister("_told")
    return Told(rows, [column[0].as_py() for column in answer.columns])


class SeenRows:
    """What `look` gathers of rows while they are read.

    `content_hash` is exact, in the order in which the rows came, and does not depend on how they
    are cut into batches: each column is hashed by its texts and by their lengths, nulls apart.
    """

    def __init__(self, width: int) -> None:
        self._hashes = {
            name: (hashlib.sha256(), hashlib.sha256())
            for name in _schema(width).names
            if name != _FLAW
        }
        self._numbers: list[Any] | None = []

    def look(self, batch: pa.RecordBatch) -> None:
        """Take the next batch."""
        for name, (lengths, texts) in self._hashes.items():
            column = batch[name]
            found = pc.fill_null(pc.binary_length(column), -1)
            lengths.update(found.to_numpy(zero_copy_only=False).tobytes())
            texts.update(_text_bytes(column))
        if self._numbers is not None:
            try:
                self._numbers.append(batch[_NUMBER].cast(pa.int64()).drop_null().to_numpy())
            except pa.ArrowInvalid:
                self._numbers = None

    def has_own_numbers(self, count: int) -> bool:
        """Whether `count` rows were seen to have integers of their own; False if unsure."""
        if not self._numbers:
            return count == 0 and self._numbers is not None
        return len(np.unique(np.concatenate(self._numbers))) == count

    def content_hash(self) -> str:
        """The hash of everything seen."""
        whole = hashlib.sha256()
        for lengths, texts in self._hashes.values():
            whole.update(lengths.digest() + texts.digest())
        return whole.hexdigest()


def _next(
    batches: Iterator[pa.RecordBatch], doing: str, engine: sa.Engine
) -> pa.RecordBatch | None:
    """The next batch, or None after the last; whatever the driver raises is told in our words."""
    try:
        return next(batches, None)
    except (SQLAlchemyError, pa.ArrowException, OSError, *driver_errors(engine)) as error:
        raise failure(doing, engine, error) from error


def content_hash(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> str:
    """Hash the rows of `told` over `columns`, whatever their order.

    Each row counts by its MD5 twice, in an exclusive or and in a sum, so that neither order nor the
    cutting into batches matters and a doubled row does.
    """
    parts = ", ".join(f"coalesce(length({name}) || ':' || {name}, '-')" for name in columns)
    row = connection.execute(
        f"select count(*), bit_xor(m), sum((m & 18446744073709551615::uhugeint)::ubigint) "
        f"from (select md5_number(concat({parts})) as m from told)"
    ).fetchone()
    return hashlib.sha256(repr(row).encode()).hexdigest()


def _text_bytes(column: pa.Array) -> bytes | memoryview:
    """The bytes of an array's texts, one behind the other."""
    _, offsets, content = column.buffers()
    if content is None or not len(column):
        return b""
    ends = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    return memoryview(content)[int(ends[0]) : int(ends[-1])]


def _schema(width: int) -> pa.Schema:
    names = [_NUMBER, _OP, _FLAW, *(f"c{place}" for place in range(width))]
    return pa.schema([(name, pa.string()) for name in names])


def _adbc(
    engine: sa.Engine, queries: _Queries, _fetch_size: int, read_only: bool
) -> Generator[pa.RecordBatch, None, None]:
    import adbc_driver_postgresql.dbapi as adbc

    # Sessions of ADBC take a URL; without a paramstyle of formats the percent sign stays single.
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    asked, statement = (
        str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        for query in (queries.totals, queries.rows)
    )
    url = engine.url.set(drivername="postgresql").update_query_dict(
        {"connect_timeout": "10", "application_name": "huiyin", "client_encoding": "utf8"}
    )
    totals, schema = queries.schemas
    with (
        closing(adbc.connect(url.render_as_string(hide_password=False))) as session,
        closing(session.cursor()) as cursor,
    ):
        for setting in session_settings("postgresql", read_only=read_only):
            cursor.execute(setting)
        # Without an encoding of its own the database refuses to hand over what is no UTF-8.
        cursor.execute(
            "select set_config('client_encoding', case current_setting('server_encoding') "
            "when 'SQL_ASCII' then 'SQL_ASCII' else 'UTF8' end, false)"
        )
        cursor.fetchall()
        # The session's own statements were one transaction; what they set holds from the next on.
        session.commit()
        cursor.execute("set transaction isolation level repeatable read")
        cursor.execute("set statement_timeout to 0")
        cursor.execute(asked)
        yield _batch_of(cursor.fetchall(), totals)
        cursor.execute(statement)
        for batch in cursor.fetch_record_batch():
            yield _as_text(batch, schema)


def _as_text(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with text that is UTF-8; a database without an encoding hands over any bytes."""
    try:
        batch.validate(full=True)
        return batch.cast(schema)
    except pa.ArrowInvalid:
        rows = [
            [
                None if value is None else value.decode("utf-8", errors="surrogateescape")
                for value in column.cast(pa.binary()).to_pylist()
            ]
            for column in batch.columns
        ]
        return _batch_of(list(zip(*rows, strict=True)), schema)


def _unbuffered(
    engine: sa.Engine, queries: _Queries, fetch_size: int, _read_only: bool
) -> Generator[pa.RecordBatch, None, None]:
    from pymysql.cursors import SSCursor

    asked, statement = (
        str(query.compile(engine, compile_kwargs={"literal_binds": True}))
        for query in (queries.totals, queries.rows)
    )
    totals, schema = queries.schemas
    with _raw(engine) as session:
        cursor = session.cursor(SSCursor)
        cursor.execute("set transaction isolation level repeatable read")
        cursor.execute("start transaction with consistent snapshot")
        cursor.execute(asked, ())
        yield _batch_of(cursor.fetchall(), totals)
        # The arguments, though none, make one percent sign of the compiled two.
        cursor.execute(statement, ())
        while rows := cursor.fetchmany(fetch_size):
            yield _batch_of(rows, schema)
        cursor.close()


@contextmanager
def _raw(engine: sa.Engine) -> Iterator[Any]:
    """A driver's connection that is thrown away: an unfinished stream spoils it for others."""
    session = engine.raw_connection()
    try:
        yield session
    finally:
        session.invalidate()


def _blocks(
    engine: sa.Engine, queries: _Queries, fetch_size: int, _read_only: bool
) -> Generator[pa.RecordBatch, None, None]:
    totals, schema = queries.schemas
    begin = _SNAPSHOTS.get(engine.url.get_backend_name())
    with engine.connect() as session:
        if begin is not None:
            session.exec_driver_sql(begin)
        yield _batch_of(session.execute(queries.totals).all(), totals)
        found = session.execution_options(yield_per=fetch_size).execute(queries.rows)
        for rows in found.partitions():
            yield _batch_of(rows, schema)


def _batch_of(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [list(map(value_text, column)) for column in zip(*rows, strict=True)]
    try:
        return pa.RecordBatch.from_arrays(
            [pa.array(column, pa.string()) for column in columns], schema=schema
        )
    except (UnicodeEncodeError, pa.ArrowInvalid):
        # Half characters stand for bytes that are no text; the row is told as broken.
        flawed = [
            "broken_encoding" if any(_is_broken(value) for value in row) else row[2]
            for row in zip(*columns, strict=True)
        ]
        columns[2] = flawed
        known = [[value and _replaced(value) for value in column] for column in columns]
        return pa.RecordBatch.from_arrays(
            [pa.array(column, pa.string()) for column in known], schema=schema
        )


def _is_broken(value: str | None) -> bool:
    return value is not None and any("\ud800" <= one <= "\udfff" for one in value)


def _replaced(value: str) -> str:
    return value.encode("utf-8", errors="replace").decode("utf-8")
