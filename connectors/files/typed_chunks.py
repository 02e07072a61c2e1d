"""Delimited files typed by contract chunk by chunk, so that memory does not grow with the file.

A regular chunk is split by Arrow's reader and typed by the engine's formulas; whatever Arrow cannot
take exactly as the grammar says goes through the exact reader, with the same formulas. Records come
out in the order of the file, each with its values and its fault, as `validation.type_records` makes
them from the table `record`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from connectors.column_rules import ColumnRules, field_text, value_of
from connectors.contract import Stream
from connectors.file_layout import FileLayout
from connectors.formats.chunks import Chunk
from connectors.formats.delimited import exact_blocks
from connectors.local_time import local_date
from connectors.sql_text import quoted
from connectors.validation import structure_faults

_WORKERS = 2
_SMALL = 256 * 1024
# Characters that no text of a partner holds stand in for a delimiter Arrow cannot take.
_STAND_INS = (b"\x1f", b"\x1e", b"\x1d", b"\x1c", b"\x02", b"\x03", b"\x04")
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class TypedChunk:
    """Records of one piece of a file in order.

    `columns` has the contract's columns, extra ones, and `_own_date` (the record's own business
    date or null); `faults` is null for a good record; `keys` are hashes of the key. `places` has
    line, byte_offset, byte_length and fields when the exact reader made it, otherwise `chunk` has
    the bytes.
    """

    columns: pa.Table
    faults: pa.ChunkedArray
    keys: npt.NDArray[np.uint64] | None
    chunk: Chunk | None
    places: pa.Table | None

    @property
    def rows(self) -> int:
        """How many records there are."""
        return int(self.faults.length())


class ChunkTyping:
    """How the records of one kind of file are typed.

    `places` and `extra` say where columns stand (from 1), `width` is how many fields a record has,
    `zone` in which time zone timestamps are meant whose column states none, `dates_in` the zone of
    business dates.
    """

    def __init__(
        self,
        stream: Stream,
        layout: FileLayout,
        places: Mapping[str, int],
        *,
        extra: Mapping[str, int],
        width: int,
        zone: str,
        dates_in: str,
    ) -> None:
        self.layout = layout
        self.stream = stream
        self.checks_keys = stream.mode != "changes"
        self._width = width
        self._rules = ColumnRules(stream, zone, layout.decimal_mark)
        self.places: dict[str, int | None] = {
            **{name: places.get(name) for name in stream.columns},
            **extra,
        }
        strings = {name for name, column in stream.columns.items() if column.type == "string"}
        self.as_read = [name for name in self.places if name in strings or name in extra]
        self._more = [f"{_own_date(stream, dates_in)} as _own_date"]
        if self.checks_keys:
            self._more.append(f"hash({', '.join(map(value_of, stream.key))}) as _key")
        fields = [f"f{place}" for place in range(1, width + 1)]
        used = sorted(place for place in {*self.places.values()} if place is not None)
        self._names = fields
        self._leaves_fields_out = len(set(used)) < width
        self._convert_options = csv.ConvertOptions(
            column_types=dict.fromkeys(fields, pa.string()),
            include_columns=[f"f{place}" for place in used],
            null_values=["", *layout.nulls],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            check_utf8=True,
        )

    def fast_sql(self, source: str) -> str:
        """SQL over columns f1, f2, ... of texts; texts are left out, since they are there."""
        return self._rules.select(
            source,
            {
                name: "cast(null as varchar)" if place is None else quoted(f"f{place}")
                for name, place in self.places.items()
            },
            left_out=self.as_read,
            more=self._more,
            op="",
        )

    def exact_sql(self, source: str) -> str:
        """SQL over blocks of the exact reader."""
        return self._rules.select(
            source,
            {name: field_text(place, self.layout.nulls) for name, place in self.places.items()},
            structure=structure_faults(self._width),
            more=self._more,
            op="",
        )

    def split(self, chunk: Chunk) -> pa.Table | None:
        """The fields of a chunk by Arrow; None where it would not be exactly the grammar's."""
        data = chunk.utf8
        if data.startswith(_MARK) or data.count(b"\r") != data.count(b"\r\n"):
            return None
        options = self._parse_options(data)
        if options is None:
            return None
        delimiter, quote = options
        if delimiter != self.layout.delimiter.encode():
            data = data.replace(self.layout.delimiter.encode(), delimiter)
        if not data.strip(b"\r\n"):
            return None
        if self._leaves_fields_out and not _is_utf8(data):
            # Arrow looks only at the texts of the columns that it is to include.
            return None
        try:
            return csv.read_csv(
                pa.BufferReader(data),
                csv.ReadOptions(
                    block_size=len(data) + 1, column_names=self._names, use_threads=False
                ),
                csv.ParseOptions(
                    delimiter=delimiter.decode(),
                    quote_char=quote or False,
                    double_quote=self.layout.escape in {None, self.layout.quote},
                    newlines_in_values=quote is not None,
                    ignore_empty_lines=True,
                ),
                self._convert_options,
            )
        except pa.ArrowInvalid:
            # A record with another number of fields, or bytes that are not UTF-8.
            return None

    def _parse_options(self, data: bytes) -> tuple[bytes, str | None] | None:
        delimiter = self.layout.delimiter.encode()
        quote = self.layout.quote
        if quote is not None and quote.encode() not in data:
            quote = None
        if len(delimiter) == 1 and (quote is None or quote.isascii()):
            return delimiter, quote
        if quote is not None:
            return None
        stand_in = next((one for one in _STAND_INS if one not in data), None)
        return None if stand_in is None else (stand_in, None)


def _is_utf8(data: bytes) -> bool:
    try:
        pa.array([data], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


class _Feed:
    """What a prepared statement reads: the engine takes the table that is set at the time."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class _Statement:
    """A statement over a table of one schema, planned once: planning costs more than 100 rows."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, sql: Callable[[str], str], table: pa.Table
    ) -> None:
        number = next(_numbers)
        self._connection = connection
        self._name = f"typing_{number}"
        self._feed = _Feed(table)
        connection.register(f"fed_{number}", self._feed)
        connection.execute(f"prepare {self._name} as {sql(f'fed_{number}')}")

    def run(self, table: pa.Table) -> pa.Table:
        """The result for a table."""
        self._feed.table = table
        return self._connection.execute(f"execute {self._name}").to_arrow_table()


_numbers = count()


class Typist:
    """Types units on one connection, for one thread at a time."""

    def __init__(self, typing: ChunkTyping, connection: duckdb.DuckDBPyConnection) -> None:
        self.typing = typing
        self._connection = connection
        self._fast: _Statement | None = None
        self._exact: _Statement | None = None

    def beside(self) -> Typist:
        """Another one, for another thread."""
        return Typist(self.typing, self._connection.cursor())

    def type_unit(self, unit: Chunk | pa.Table) -> list[TypedChunk]:
        """Type one unit of a file."""
        if not isinstance(unit, Chunk):
            return [self.type_block(unit)]
        table = self.typing.split(unit)
        if table is None:
            return [self.type_block(block) for block in exact_blocks(unit, self.typing.layout)]
        if self._fast is None:
            self._fast = _Statement(self._connection, self.typing.fast_sql, table)
        typed = self._fast.run(table)
        for name in self.typing.as_read:
            place = self.typing.places[name]
            column = pa.nulls(table.num_rows, pa.string()) if place is None else table[f"f{place}"]
            typed = typed.append_column(name, column)
        return [self._typed_chunk(typed, chunk=unit)]

    def type_block(self, block: pa.Table) -> TypedChunk:
        """Type records of the exact reader."""
        if self._exact is None:
            self._exact = _Statement(self._connection, self.typing.exact_sql, block)
        return self._typed_chunk(self._exact.run(block), places=block)

    def _typed_chunk(
        self, typed: pa.Table, *, chunk: Chunk | None = None, places: pa.Table | None = None
    ) -> TypedChunk:
        keys = typed["_key"].to_numpy() if self.typing.checks_keys else None
        columns = typed.select([*self.typing.places, "_own_date"])
        return TypedChunk(columns, typed["_fault"], keys, chunk, places)


def typed_chunks(units: Iterable[Chunk | pa.Table], typist: Typist) -> Iterator[TypedChunk]:
    """Type the units of a file in two threads, in their order and a few ahead.

    When a unit cannot be had, those before it come out first, so that the first fault in the file
    is the one that is told.
    """
    waiting: deque[Future[list[TypedChunk]]] = deque()
    local = threading.local()

    def work(unit: Chunk | pa.Table) -> list[TypedChunk]:
        if not hasattr(local, "typist"):
            local.typist = typist.beside()
        typed: list[TypedChunk] = local.typist.type_unit(unit)
        return typed

    source = iter(units)
    first = next(source, None)
    if first is None:
        return
    if isinstance(first, Chunk) and len(first.data) < _SMALL:
        yield from typist.type_unit(first)
        first = next(source, None)
        if first is None:
            return
    with ThreadPoolExecutor(_WORKERS) as pool:
        failure: BaseException | None = None
        unit: Chunk | pa.Table | None = first
        try:
            while unit is not None or waiting:
                if unit is not None:
                    waiting.append(pool.submit(work, unit))
                if unit is None or len(waiting) > _WORKERS:
                    yield from waiting.popleft().result()
                if unit is not None:
                    try:
                        unit = next(source, None)
                    except Exception as error:
                        failure, unit = error, None
        finally:
            for future in waiting:
                future.cancel()
        if failure is not None:
            raise failure


def _own_date(stream: Stream, zone: str) -> str:
    name = stream.business_date_from
    if name is None:
        return "cast(null as date)"
    if stream.columns[name].type == "timestamp":
        return local_date(value_of(name), zone)
    return value_of(name)
