"""Delimited text: header, records and trailer of a file, in chunks and blocks or as a table.

Columns of the table `record`: record_no (from 1), line, byte_offset and byte_length in the unpacked
file, op ('I'), fields (texts in file order), flaw (why the record breaks the grammar, else null).
Lines end with LF or CRLF, also mixed; a CR elsewhere belongs to its field.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from connectors.errors import RefusedDelivery
from connectors.file_layout import FileLayout
from connectors.formats.chunks import Chunk, cut
from connectors.formats.splitting import QuotedRecords, split_line, split_lines

_SCHEMA = pa.schema(
    [
        ("record_no", pa.int64()),
        ("line", pa.int64()),
        ("byte_offset", pa.int64()),
        ("byte_length", pa.int64()),
        ("op", pa.string()),
        ("fields", pa.list_(pa.string())),
        ("flaw", pa.string()),
    ]
)


@dataclass(frozen=True)
class Reading:
    """What was read: header names (None without a header), records, hash and size of the file as
    delivered, and the fields of its trailer (None without one)."""

    header: tuple[str, ...] | None
    records: int
    sha256: str
    size: int
    trailer: tuple[str, ...] | None = None


def create_record_table(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the empty table `record`, replacing an earlier one."""
    connection.execute(
        "create or replace table record (record_no bigint, line bigint, byte_offset bigint, "
        "byte_length bigint, op varchar, fields varchar[], flaw varchar)"
    )


def add_records(connection: duckdb.DuckDBPyConnection, columns: Sequence[Sequence[object]]) -> None:
    """Append records given as columns in the order of `record`."""
    arrays = [
        column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column, field.type)
        for column, field in zip(columns, _SCHEMA, strict=True)
    ]
    connection.register("_block", pa.Table.from_arrays(arrays, schema=_SCHEMA))
    connection.execute("insert into record select * from _block")
    connection.unregister("_block")


class DelimitedFile:
    """One pass over a file: its header, then `units`, then trailer and hash.

    A unit is a chunk whose records a fast reader may find (regular, without the header), or a block
    of records of the exact reader. Raises RefusedDelivery with the byte offset when records can no
    longer be found, or header or trailer are not there.
    """

    def __init__(self, path: Path, layout: FileLayout) -> None:
        self._path = path
        self._layout = layout
        self._digest = hashlib.sha256()
        self._trailer: tuple[str, ...] | None = None
        chunks = cut(path, layout, self._digest)
        self._chunks = self._without_trailer(chunks) if layout.trailer else chunks
        self._quoted: QuotedRecords | None = None
        self.header = self._take_header() if layout.header else None

    def units(self) -> Iterator[Chunk | pa.Table]:
        """What comes behind the header, in the order of the file."""
        if self._quoted is not None:
            yield from self._quoted.blocks()
            return
        for chunk in self._chunks:
            if chunk.regular:
                yield chunk
            else:
                yield from QuotedRecords(chain([chunk], self._chunks), self._layout).blocks()

    def reading(self, records: int) -> Reading:
        """What was read, once every unit was taken; `records` were counted in them."""
        if self._layout.compression == "none":
            sha256 = self._digest.hexdigest()
        else:
            with self._path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = self._path.stat().st_size
        return Reading(self.header, records, sha256, size, self._trailer)

    def _take_header(self) -> tuple[str, ...]:
        for chunk in self._chunks:
            if chunk.is_blank:
                continue
            if not chunk.regular:
                self._quoted = QuotedRecords(chain([chunk], self._chunks), self._layout)
                first = self._quoted.first()
                if first is None:
                    break
                return tuple(first)
            fields, rest = _split_header(chunk, self._layout)
            self._chunks = chain([rest] if rest.data else [], self._chunks)
            return tuple(fields)
        raise RefusedDelivery("empty_file", "the file has no header row", offset=0)

    def _without_trailer(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Pass on all but the last line that is not empty, which must be the trailer."""
        held: Chunk | None = None
        for chunk in chunks:
            if chunk.is_blank:
                continue
            if held is not None:
                yield held
            held = chunk
        if held is None:
            raise _no_trailer(0)
        rest, trailer = _split_last_line(held)
        fields = split_line(trailer.text.strip("\r\n"), self._layout)
        assert self._layout.trailer is not None
        if fields[0] != self._layout.trailer.mark:
            raise _no_trailer(trailer.offset)
        self._trailer = tuple(fields)
        if rest.data:
            yield rest


def read_delimited(
    path: Path, layout: FileLayout, connection: duckdb.DuckDBPyConnection
) -> Reading:
    """Read a whole file exactly into the table `record` of `connection`, in bounded chunks.

    Raises RefusedDelivery with the byte offset when records can no longer be found: broken
    encoding, a NUL byte, an unclosed quote, an endless line, no header, no trailer.
    """
    create_record_table(connection)
    file = DelimitedFile(path, layout)
    records = 0
    for unit in file.units():
        for block in [unit] if isinstance(unit, pa.Table) else exact_blocks(unit, layout):
            count = block.num_rows
            add_records(
                connection,
                [
                    range(records + 1, records + count + 1),
                    *(block[name] for name in ("line", "byte_offset", "byte_length")),
                    ["I"] * count,
                    block["fields"],
                    block["flaw"],
                ],
            )
            records += count
    return file.reading(records)


def exact_blocks(chunk: Chunk, layout: FileLayout) -> Iterator[pa.Table]:
    """Split one regular chunk by the exact reader."""
    if layout.quote:
        yield from QuotedRecords([chunk], layout).blocks()
    else:
        yield split_lines(chunk, layout.delimiter)


def check_trailer(
    reading: Reading, layout: FileLayout, sums: Mapping[str, str], *, readable: bool
) -> None:
    """Compare the trailer with what was counted; raises RefusedDelivery (`trailer_disagrees`).

    `sums` are the counted totals; unless `readable`, a value that cannot be read may explain a
    difference, as against a send log.
    """
    trailer, fields = layout.trailer, reading.trailer
    if trailer is None or fields is None:
        return
    wrong = []
    if trailer.rows is not None:
        said = _number(fields, trailer.rows, ".")
        if said != reading.records:
            wrong.append(f"{_told(said)} rows against {reading.records}")
    for name, place in trailer.sums.items():
        said = _number(fields, place, layout.decimal_mark)
        if name in sums and (said is None or (readable and said != Decimal(sums[name]))):
            wrong.append(f"{name} {_told(said)} against {sums[name]}")
    if wrong:
        raise RefusedDelivery("trailer_disagrees", f"the trailer says {', '.join(wrong)}")


def _split_header(chunk: Chunk, layout: FileLayout) -> tuple[list[str], Chunk]:
    """The first line that is not empty, as fields, and what comes behind it."""
    lengths = chunk.lengths() if chunk.is_wide else _first_lengths(chunk.data)
    place = 0
    for number, length in enumerate(lengths, 1):
        line = Chunk(
            chunk.line, chunk.offset + place, chunk.data[place : place + length], chunk.codec
        )
        place += length
        if line.is_blank:
            continue
        if layout.quote and layout.quote in line.text:
            return _split_quoted_header(chunk, layout)
        _, rest = chunk.split_before(place, number)
        return line.text.strip("\r\n").split(layout.delimiter), rest
    raise AssertionError("a chunk that is not blank has a line that is not")


def _first_lengths(data: bytes) -> Iterator[int]:
    start = 0
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        yield end - start
        start = end


def _split_quoted_header(chunk: Chunk, layout: FileLayout) -> tuple[list[str], Chunk]:
    """As `_split_header`, for a header in quotes, which may have line ends in them."""
    reader = QuotedRecords([chunk], layout)
    fields = reader.first()
    assert fields is not None
    place, line = reader.position
    _, rest = chunk.split_before(place - chunk.offset, line - chunk.line)
    return fields, rest


def _split_last_line(chunk: Chunk) -> tuple[Chunk, Chunk]:
    lengths = chunk.lengths() if chunk.is_wide else None
    if lengths is None:
        place = chunk.data.rstrip(b"\r\n").rfind(b"\n") + 1
        return chunk.split_before(place, chunk.data.count(b"\n", 0, place))
    lines = chunk.text.split("\n")
    last = max(number for number, line in enumerate(lines) if line.strip("\r"))
    return chunk.split_before(sum(lengths[:last]), last)


def _no_trailer(offset: int) -> RefusedDelivery:
    return RefusedDelivery("missing_trailer", "the last line is not the trailer", offset=offset)


def _number(fields: Sequence[str], place: int, mark: str) -> Decimal | None:
    text = fields[place - 1].strip() if place <= len(fields) else ""
    try:
        number = Decimal(text.replace(mark, "."))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _told(number: Decimal | None) -> str:
    return "nothing" if number is None else format(number, "f")
