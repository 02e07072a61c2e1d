"""Delimited text: a file becomes the DuckDB table `record`, one row per record of the grammar.

Columns of `record`: record_no (from 1), line, byte_offset and byte_length in the file, op ('I'),
fields (texts in file order), flaw (why the record breaks the grammar, else null). Lines are cut on
the bytes, so places are exact in every encoding, and only then decoded: in GB18030 the second byte
of a character can equal a delimiter, but never a line end. Fields are split by DuckDB or, where the
grammar has quotes, by the standard library.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import RefusedDelivery

_CHUNK = 4 * 1024 * 1024
_LONGEST_LINE = 16 * 1024 * 1024
_ROWS_PER_BLOCK = 50_000
_BOM = b"\xef\xbb\xbf"

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


class Layout(Protocol):
    """What this module needs to know of a file's grammar (`contract.FileLayout` has it)."""

    @property
    def delimiter(self) -> str: ...
    @property
    def encoding(self) -> str: ...
    @property
    def header(self) -> bool: ...
    @property
    def quote(self) -> str | None: ...


@dataclass(frozen=True)
class Reading:
    """What was read: header names (None without a header), records, and hash of the bytes."""

    header: tuple[str, ...] | None
    records: int
    sha256: str
    size: int


@dataclass(frozen=True)
class _Lines:
    """Whole lines of one chunk: first line number, its offset, byte lengths and texts."""

    first_line: int
    offset: int
    lengths: list[int]
    texts: list[str]


def create_record_table(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the empty table `record`, replacing an earlier one."""
    connection.execute(
        "create or replace table record (record_no bigint, line bigint, byte_offset bigint, "
        "byte_length bigint, op varchar, fields varchar[], flaw varchar)"
    )


def add_records(connection: duckdb.DuckDBPyConnection, columns: Sequence[Sequence[object]]) -> None:
    """Append records given as columns in the order of `record`."""
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, field.type)
        for column, field in zip(columns, _SCHEMA, strict=True)
    ]
    connection.register("_block", pa.Table.from_arrays(arrays, schema=_SCHEMA))
    connection.execute("insert into record select * from _block")
    connection.unregister("_block")


def read_delimited(path: Path, layout: Layout, connection: duckdb.DuckDBPyConnection) -> Reading:
    """Read a whole file into the table `record` of `connection`, in bounded chunks.

    Raises RefusedDelivery with the byte offset when records can no longer be found: broken
    encoding, a NUL byte, an unclosed quote, an endless line, no header.
    """
    create_record_table(connection)
    digest = hashlib.sha256()
    chunks = _chunks(path, layout.encoding, digest)
    reader = _read_quoted if layout.quote else _read_plain
    header, records = reader(chunks, layout, connection)
    if layout.header and header is None:
        raise RefusedDelivery("empty_file", "the file has no header row", offset=0)
    return Reading(header, records, digest.hexdigest(), path.stat().st_size)


def _chunks(path: Path, encoding: str, digest: hashlib._Hash) -> Iterator[_Lines]:
    """Cut the file into runs of whole lines, checked and decoded."""
    line, offset, rest = 1, 0, b""
    with path.open("rb") as file:
        while True:
            block = file.read(_CHUNK)
            digest.update(block)
            data = rest + block
            end = data.rfind(b"\n") + 1 if block else len(data)
            if end == 0 and block:
                if len(data) > _LONGEST_LINE:
                    raise RefusedDelivery(
                        "endless_line",
                        f"a line is longer than {_LONGEST_LINE} bytes",
                        offset=offset,
                    )
                rest = data
                continue
            if end:
                lines = _decode(data[:end], encoding, line, offset)
                yield lines
                line += len(lines.texts)
            offset += end
            rest = data[end:]
            if not block:
                return


def _decode(data: bytes, encoding: str, line: int, offset: int) -> _Lines:
    place = data.find(b"\0")
    if place >= 0:
        raise RefusedDelivery("nul_byte", "a NUL byte cannot stand in text", offset=offset + place)
    skipped = len(_BOM) if offset == 0 and encoding == "utf-8" and data.startswith(_BOM) else 0
    try:
        text = data[skipped:].decode(encoding)
    except UnicodeDecodeError as error:
        raise RefusedDelivery(
            "broken_encoding",
            f"the bytes are not {encoding}",
            offset=offset + skipped + error.start,
        ) from error
    lengths = [len(part) + 1 for part in data.split(b"\n")]
    texts = text.split("\n")
    if data.endswith(b"\n"):
        lengths.pop()
        texts.pop()
    else:
        lengths[-1] -= 1
    return _Lines(line, offset, lengths, texts)


def _read_plain(
    chunks: Iterator[_Lines], layout: Layout, connection: duckdb.DuckDBPyConnection
) -> tuple[tuple[str, ...] | None, int]:
    """One line is one record; an empty line is none."""
    header: tuple[str, ...] | None = None
    records = 0
    for chunk in chunks:
        texts = [text[:-1] if text.endswith("\r") else text for text in chunk.texts]
        offsets = list(accumulate(chunk.lengths[:-1], initial=chunk.offset))
        kept = [number for number, text in enumerate(texts) if text]
        if layout.header and header is None and kept:
            header = tuple(texts[kept.pop(0)].split(layout.delimiter))
        whole = len(kept) == len(texts)
        rows = texts if whole else [texts[number] for number in kept]
        add_records(
            connection,
            [
                range(records + 1, records + len(kept) + 1),
                [chunk.first_line + number for number in kept],
                offsets if whole else [offsets[number] for number in kept],
                chunk.lengths if whole else [chunk.lengths[number] for number in kept],
                ["I"] * len(kept),
                pc.split_pattern(pa.array(rows, pa.string()), layout.delimiter),
                pa.nulls(len(kept), pa.string()),
            ],
        )
        records += len(kept)
    return header, records


class _Cursor:
    """Feeds lines to the csv reader and knows where the next one starts."""

    def __init__(self, chunks: Iterator[_Lines]) -> None:
        self.line = 1
        self.offset = 0
        self._chunks = chunks

    def __iter__(self) -> Iterator[str]:
        for chunk in self._chunks:
            for text, length in zip(chunk.texts, chunk.lengths, strict=True):
                self.line += 1
                self.offset += length
                yield text + "\n"


def _read_quoted(
    chunks: Iterator[_Lines], layout: Layout, connection: duckdb.DuckDBPyConnection
) -> tuple[tuple[str, ...] | None, int]:
    """Records by RFC 4180: fields may be quoted and then hold delimiters and line ends."""
    cursor = _Cursor(chunks)
    reader = csv.reader(
        iter(cursor),
        delimiter=layout.delimiter,
        quotechar=layout.quote,
        doublequote=True,
        strict=True,
    )
    header: tuple[str, ...] | None = None
    records = 0
    block: list[tuple[int, int, int, int, str, list[str] | None, str | None]] = []
    while True:
        line, offset = cursor.line, cursor.offset
        fields: list[str] | None = None
        flaw: str | None = None
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if "unexpected end" in str(error) or "field limit" in str(error):
                raise RefusedDelivery(
                    "unclosed_quote", f"a quote opened at line {line} is not closed", offset=offset
                ) from error
            flaw = "bad_quoting"
        if fields == []:
            continue
        if layout.header and header is None:
            if fields is None:
                raise RefusedDelivery(
                    "wrong_header", "the header row cannot be read", offset=offset
                )
            header = tuple(fields)
            continue
        records += 1
        block.append((records, line, offset, cursor.offset - offset, "I", fields, flaw))
        if len(block) == _ROWS_PER_BLOCK:
            add_records(connection, list(zip(*block, strict=True)))
            block = []
    if block:
        add_records(connection, list(zip(*block, strict=True)))
    return header, records


def record_bytes(path: Path, places: Sequence[tuple[int, int, int]]) -> dict[int, bytes]:
    """Read the bytes of records given as (record_no, byte_offset, byte_length)."""
    found: dict[int, bytes] = {}
    with path.open("rb") as file:
        for number, offset, length in places:
            file.seek(offset)
            found[number] = file.read(length)
    return found
