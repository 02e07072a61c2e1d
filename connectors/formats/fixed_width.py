"""Files of fixed width: a record is a line, a column stands at fixed bytes of it.

Bytes are cut before they are decoded, so a Chinese character counts as many as its encoding gives
it. Padding at the right is spaces and is trimmed; numbers may be padded at the left too. A header
line says nothing and is passed over; a trailer is a line that begins with its mark, whose fields
are separated by the delimiter of the layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from connectors.contract import Contract
from connectors.errors import RefusedDelivery, UnwritableValue
from connectors.formats.delimited import Reading
from connectors.formats.file_columns import encoded, text_rules, trailer_fields
from connectors.formats.lines import Line, Records, lines
from connectors.formats.packing import packed

SUFFIX = ".dat"


@dataclass(frozen=True)
class _Place:
    """Bytes of one column: first and one behind the last; whether the left is trimmed too."""

    first: int
    behind: int
    both_sides: bool


def _places(contract: Contract, stream_name: str) -> list[_Place]:
    found = []
    for column in contract.streams[stream_name].columns.values():
        assert column.at is not None, "the loader checks that every column has its place"
        first, size = column.at
        found.append(_Place(first - 1, first - 1 + size, column.is_numeric))
    return found


def read(
    path: Path, contract: Contract, stream_name: str, connection: duckdb.DuckDBPyConnection
) -> Reading:
    """Read a file into `record`; a line of another length, or that cuts a character, is a flaw."""
    layout = contract.layout
    places = _places(contract, stream_name)
    width = max(place.behind for place in places)
    records = Records(connection)
    found = lines(path, layout)
    if layout.header:
        next(found, None)
    trailer: Line | None = None
    last = 0
    for line, is_last in _marking_the_last(found):
        if is_last and layout.trailer is not None and line.text.startswith(layout.trailer.mark):
            trailer = line
            break
        last = line.offset
        # Bytes that are not the encoding at all refuse the file; a character cut is one record's.
        assert line.text is not None
        if len(line.raw) != width:
            records.add_line(line, None, flaw="wrong_line_length")
            continue
        try:
            fields = [_cut(line, place) for place in places]
        except UnicodeDecodeError:
            records.add_line(line, None, flaw="cut_character")
            continue
        records.add_line(line, fields)
    if layout.trailer is None:
        return records.finish(path, None)
    if trailer is None:
        what = "the last line is not the trailer"
        raise RefusedDelivery("missing_trailer", what, offset=last)
    return records.finish(path, None, tuple(trailer.text.split(layout.delimiter)))


def _marking_the_last(found: Iterator[Line]) -> Iterator[tuple[Line, bool]]:
    held: Line | None = None
    for line in found:
        if held is not None:
            yield held, False
        held = line
    if held is not None:
        yield held, True


def _cut(line: Line, place: _Place) -> str:
    text = line.raw[place.first : place.behind].decode(line.codec)
    return text.strip(" ") if place.both_sides else text.rstrip(" ")


def write(
    rows: Iterable[Mapping[str, str | None]],
    path: Path,
    contract: Contract,
    stream_name: str,
    *,
    sums: Mapping[str, str],
) -> int:
    """Write rows at their bytes, padded with spaces; raises UnwritableValue for a longer value."""
    layout = contract.layout
    places = _places(contract, stream_name)
    rules = text_rules(contract, stream_name)
    width = max(place.behind for place in places)
    blank = encoded(" " * width, layout.encoding, 0, "padding")[:width]
    end = encoded("\n", layout.encoding, 0, "line end")
    count = 0
    with packed(path, layout.compression) as file:
        if layout.encoding == "utf-16":
            file.write(b"\xff\xfe")
        if layout.header:
            file.write(blank + end)
        for count, row in enumerate(rows, 1):
            record = bytearray(blank)
            for rule, place in zip(rules, places, strict=True):
                text = rule.text(row.get(rule.column), count)
                _check(text, place, count, rule.column)
                raw = encoded(text, layout.encoding, count, rule.column)
                if len(raw) > place.behind - place.first:
                    what = f"has more than {place.behind - place.first} bytes"
                    raise UnwritableValue(count, rule.column, what)
                record[place.first : place.first + len(raw)] = raw
            line = bytes(record)
            if count == 1 and not layout.header and line.startswith(b"\xef\xbb\xbf"):
                raise UnwritableValue(1, rules[0].column, "begins with a byte order mark")
            if layout.trailer and line.startswith(
                encoded(layout.trailer.mark, layout.encoding, 0, "trailer")
            ):
                raise UnwritableValue(count, rules[0].column, "begins with the mark of the trailer")
            file.write(line + end)
        if layout.trailer is not None:
            text = layout.delimiter.join(trailer_fields(contract, count, sums))
            file.write(encoded(text, layout.encoding, 0, "trailer") + end)
    return count


def _check(text: str, place: _Place, record_no: int, column: str) -> None:
    if "\n" in text or "\r" in text:
        raise UnwritableValue(record_no, column, "holds a line end")
    if text != (text.strip(" ") if place.both_sides else text.rstrip(" ")):
        raise UnwritableValue(record_no, column, "is padded, and padding is not read back")
