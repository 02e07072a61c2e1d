"""The exact reader of delimited text: chunks become blocks of records with their fields.

A block is a table of line, byte_offset, byte_length, fields (texts in file order) and flaw (why a
record breaks the grammar, else null). Lines are cut on the bytes, so places are exact in every
encoding, and only then decoded: in GB18030 the second byte of a character can equal a delimiter,
but never a line end.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import RefusedDelivery
from connectors.file_layout import FileLayout
from connectors.formats.chunks import LONGEST_LINE, Chunk

_ROWS_PER_BLOCK = 50_000

BLOCK_SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("byte_offset", pa.int64()),
        ("byte_length", pa.int64()),
        ("fields", pa.list_(pa.string())),
        ("flaw", pa.string()),
    ]
)

# A quote that is never closed takes the rest of the file into one field; the library's own limit is
# below what a field may have.
csv.field_size_limit(LONGEST_LINE)


def split_lines(chunk: Chunk, delimiter: str) -> pa.Table:
    """Split a chunk of a grammar without quotes: one line is one record, an empty line is none."""
    texts = [line.removesuffix("\r") for line in chunk.text.split("\n")]
    lengths = chunk.lengths()
    del texts[len(lengths) :]
    offsets = list(accumulate(lengths[:-1], initial=chunk.offset))
    kept = [number for number, text in enumerate(texts) if text]
    rows = [texts[number] for number in kept]
    return pa.Table.from_arrays(
        [
            pa.array([chunk.line + number for number in kept], pa.int64()),
            pa.array([offsets[number] for number in kept], pa.int64()),
            pa.array([lengths[number] for number in kept], pa.int64()),
            pc.split_pattern(pa.array(rows, pa.string()), delimiter),
            pa.nulls(len(kept), pa.string()),
        ],
        schema=BLOCK_SCHEMA,
    )


def split_line(text: str, layout: FileLayout) -> list[str]:
    """The fields of one line, such as a trailer; without quotes that can be read, of its text."""
    if layout.quote:
        try:
            return next(_reader([text + "\n"], layout))
        except (csv.Error, StopIteration):
            pass
    return text.split(layout.delimiter)


class QuotedRecords:
    """Reads records by RFC 4180 from chunks: fields may be quoted, and hold delimiters and lines.

    Raises RefusedDelivery (`unclosed_quote`) where a quote opens that is not closed.
    """

    def __init__(self, chunks: Iterable[Chunk], layout: FileLayout) -> None:
        self._lines = _Lines(chunks)
        self._reader = _reader(self._lines, layout)

    @property
    def position(self) -> tuple[int, int]:
        """Byte offset and line at which the next record begins."""
        return self._lines.offset, self._lines.line

    def first(self) -> list[str] | None:
        """The first record, a header; None without one. Raises RefusedDelivery (`wrong_header`)."""
        for _, offset, _, fields, flaw in self._records():
            if flaw is not None:
                raise RefusedDelivery(
                    "wrong_header", "the header row cannot be read", offset=offset
                )
            return fields
        return None

    def blocks(self) -> Iterator[pa.Table]:
        """The records, or what is left of them, in blocks."""
        block: list[tuple[int, int, int, list[str] | None, str | None]] = []
        for record in self._records():
            block.append(record)
            if len(block) == _ROWS_PER_BLOCK:
                yield _table(block)
                block = []
        if block:
            yield _table(block)

    def _records(self) -> Iterator[tuple[int, int, int, list[str] | None, str | None]]:
        while True:
            line, offset = self._lines.line, self._lines.offset
            fields: list[str] | None = None
            flaw: str | None = None
            try:
                fields = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                if "unexpected end" in str(error) or "field limit" in str(error):
                    raise RefusedDelivery(
                        "unclosed_quote",
                        f"a quote opened at line {line} is not closed",
                        offset=offset,
                    ) from error
                flaw = "bad_quoting"
            if fields != []:
                yield line, offset, self._lines.offset - offset, fields, flaw


def _reader(lines: Iterable[str], layout: FileLayout) -> Iterator[list[str]]:
    escape = layout.escape if layout.escape != layout.quote else None
    return csv.reader(
        lines,
        delimiter=layout.delimiter,
        quotechar=layout.quote,
        escapechar=escape,
        doublequote=escape is None,
        strict=True,
    )


class _Lines:
    """Feeds lines to the csv reader and knows where the next one starts."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        rest = iter(chunks)
        first = next(rest, None)
        self.line = 1 if first is None else first.line
        self.offset = 0 if first is None else first.offset
        self._feed = self._fed(rest if first is None else chain([first], rest))

    def __iter__(self) -> Iterator[str]:
        return self._feed

    def _fed(self, chunks: Iterable[Chunk]) -> Iterator[str]:
        for chunk in chunks:
            for text, length in zip(chunk.text.split("\n"), chunk.lengths(), strict=False):
                self.line += 1
                self.offset += length
                yield text + "\n"


def _table(block: Sequence[tuple[object, ...]]) -> pa.Table:
    arrays = [
        pa.array(column, field.type)
        for column, field in zip(zip(*block, strict=True), BLOCK_SCHEMA, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=BLOCK_SCHEMA)
