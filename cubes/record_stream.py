"""Answers of any size as Arrow record batches, and as the bytes of an Arrow stream or of CSV."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow
import pyarrow.compute
import pyarrow.csv

from cubes.errors import AnswerTooLarge, QueryError
from cubes.limits import Limits, within_seconds
from cubes.named_query import run_named_query
from cubes.query import execute_query, refused_query
from cubes.select_query import execute_select, refused_select

if TYPE_CHECKING:
    from cubes.catalogue import Catalogue
    from cubes.question import CubeQuery
    from cubes.result import CubeResult
    from cubes.scope import Scope
    from cubes.warehouse import Warehouse

ROWS_AT_ONCE = 50_000

_WHOLE = pyarrow.decimal128(38, 0)
# A spreadsheet takes a text that begins so for a formula.
_FORMULA = r"^([=+\-@\t\r\n＝＋－＠])"


@dataclass(frozen=True)
class RecordStream:
    """The schema of an answer and its batches, to be read once, in order.

    Columns have the query's names; whole numbers are int64 as far as they fit, decimals keep their
    scale.
    """

    schema: pyarrow.Schema
    batches: Iterator[pyarrow.RecordBatch]

    @classmethod
    def of(cls, result: CubeResult) -> RecordStream:
        """The rows of an answer at hand, without its totals."""
        table = result.to_arrow()
        return cls(table.schema, iter(table.to_batches()))

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows by the names of their columns, in place of the batches."""
        for batch in self.batches:
            yield from batch.to_pylist()


@contextmanager
def stream_query(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    query: CubeQuery,
    *,
    scope: Scope,
    business_date: date | None,
    language: str,
    warehouse: Warehouse,
    limits: Limits,
) -> Iterator[RecordStream]:
    """Answer a query in parts, without totals, so that memory does not grow with its rows.

    Reading beyond `limits` raises AnswerTooLarge, or AnswerTooSlow when the block with its reading
    takes longer; QueryError for whatever cannot be answered as asked.
    """
    with within_seconds(connection, limits.seconds):
        statement, cursor = execute_query(
            catalogue,
            connection,
            replace(query, totals="none"),
            scope=scope,
            business_date=business_date,
            language=language,
            warehouse=warehouse,
        )
        names = [column.name for column in statement.columns]
        yield _read(cursor, names, limits, partial(refused_query, query))


@contextmanager
def stream_named_records(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    name: str,
    parameters: Mapping[str, Any],
    *,
    scope: Scope,
    business_date: date,
    language: str,
    warehouse: Warehouse,
    limits: Limits | None = None,
    keys: bool = False,
) -> Iterator[RecordStream]:
    """Answer a named query in parts as `stream_query` does, within the query's own limits.

    `limits` stand in their place. With `keys` the answer of a cube has keys beside the names.
    """
    named = catalogue.named_query(name)
    limits = limits or named.limits
    if named.rows:
        with within_seconds(connection, limits.seconds):
            result = run_named_query(
                catalogue,
                connection,
                name,
                parameters,
                scope=scope,
                business_date=business_date,
                language=language,
                warehouse=warehouse,
            )
            if len(result.rows) > limits.rows:
                raise _too_large(limits)
            yield RecordStream.of(result)
        return
    if named.sql is None:
        query, day = named.to_query(parameters, business_date=business_date, keys=keys)
        with stream_query(
            catalogue,
            connection,
            query,
            scope=scope,
            business_date=day,
            language=language,
            warehouse=warehouse,
            limits=limits,
        ) as stream:
            yield stream
        return
    with within_seconds(connection, limits.seconds):
        cursor, _ = execute_select(
            catalogue,
            connection,
            named,
            named.values(parameters, business_date),
            scope=scope,
            language=language,
            warehouse=warehouse,
        )
        yield _read(cursor, None, limits, partial(refused_select, named))


def _too_large(limits: Limits) -> AnswerTooLarge:
    return AnswerTooLarge(
        zh=f"结果超过 {limits.rows} 行。重试没有用；请缩短时期，或减少分组。",
        en=f"The answer has more than {limits.rows} rows. Trying again does not help; ask for a "
        "shorter period or fewer groups.",
    )


def _read(
    cursor: duckdb.DuckDBPyConnection,
    names: list[str] | None,
    limits: Limits,
    refused: Callable[[duckdb.Error], QueryError],
) -> RecordStream:
    try:
        reader = cursor.to_arrow_reader(ROWS_AT_ONCE)
    except duckdb.Error as error:
        raise refused(error) from error
    wanted = reader.schema.names if names is None else names
    fields = [reader.schema.field(name) for name in wanted]
    schema = pyarrow.schema(
        [field.with_type(pyarrow.int64()) if field.type == _WHOLE else field for field in fields]
    )

    def batches() -> Iterator[pyarrow.RecordBatch]:
        count = 0
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except duckdb.Error as error:
                raise refused(error) from error
            except pyarrow.ArrowException as error:
                # What interrupts the engine reaches us through Arrow.
                raise refused(duckdb.InterruptException(str(error))) from error
            count += batch.num_rows
            if count > limits.rows:
                raise _too_large(limits)
            try:
                yield batch.select(wanted).cast(schema)
            except pyarrow.ArrowInvalid as error:
                raise QueryError(
                    zh="结果里有整数超出 64 位。重试没有用；请改用 JSON 取结果。",
                    en="A whole number of the answer is too large for 64 bits. Trying again does "
                    "not help; ask for the answer as JSON.",
                ) from error

    return RecordStream(schema, batches())


def arrow_chunks(stream: RecordStream) -> Iterator[bytes]:
    """The answer as an Arrow IPC stream; one cut off lacks the mark of its end."""
    buffer = _Chunk()
    with pyarrow.ipc.new_stream(buffer, stream.schema) as writer:
        yield buffer.taken()
        for batch in stream.batches:
            writer.write_batch(batch)
            yield buffer.taken()
    yield buffer.taken()


def csv_chunks(stream: RecordStream) -> Iterator[bytes]:
    """The answer as CSV in UTF-8: a heading of names, dates ISO, null as nothing between commas.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    buffer = _Chunk()
    options = pyarrow.csv.WriteOptions(include_header=True, quoting_style="needed")
    with pyarrow.csv.CSVWriter(buffer, stream.schema, write_options=options) as writer:
        yield buffer.taken()
        for batch in stream.batches:
            writer.write_batch(_harmless(batch))
            yield buffer.taken()
    yield buffer.taken()


def _harmless(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    columns = [
        pyarrow.compute.replace_substring_regex(column, _FORMULA, r"'\1")
        if pyarrow.types.is_string(column.type)
        else column
        for column in batch.columns
    ]
    return pyarrow.record_batch(columns, schema=batch.schema)


class _Chunk(io.BytesIO):
    """A file in memory whose content is taken out piece by piece."""

    def taken(self) -> bytes:
        content = self.getvalue()
        self.seek(0)
        self.truncate()
        return content
