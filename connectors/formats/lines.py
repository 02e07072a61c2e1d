"""Lines of a file with their exact places, for formats whose record is one line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from connectors.errors import RefusedDelivery
from connectors.file_layout import FileLayout
from connectors.formats.delimited import Reading, add_records, create_record_table
from connectors.formats.packing import unpacked

_BLOCK = 4 * 1024 * 1024
_LONGEST_LINE = 16 * 1024 * 1024
_ROWS_PER_BLOCK = 50_000
_BOMS = {"utf-8": b"\xef\xbb\xbf", "utf-16": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


class Line(NamedTuple):
    """One line: its number from 1, its place in the unpacked file, its bytes without the end.

    `length` counts the line end too; `codec` is the encoding of these bytes without a mark.
    """

    number: int
    offset: int
    length: int
    raw: bytes
    codec: str

    @property
    def text(self) -> str:
        """The line decoded; raises RefusedDelivery (`broken_encoding`) at the byte."""
        try:
            return self.raw.decode(self.codec)
        except UnicodeDecodeError as error:
            raise RefusedDelivery(
                "broken_encoding",
                f"the bytes are not {self.codec}",
                offset=self.offset + error.start,
            ) from error


def lines(path: Path, layout: FileLayout) -> Iterator[Line]:
    """Cut a file into lines that are not empty.

    Raises RefusedDelivery for a line without end or a NUL character.
    """
    number, offset, rest, start = 0, 0, b"", True
    codec: str = layout.encoding
    end = carriage = b""
    with unpacked(path, layout.compression) as source:
        while True:
            block = source.read(_BLOCK)
            data = rest + block
            if start:
                skipped, codec = _mark(data, layout.encoding)
                data, offset, start = data[skipped:], skipped, False
                end, carriage = "\n".encode(codec), "\r".encode(codec)
            whole = data if not block else data[: _behind_last_line(data, codec)]
            _refuse_nul(whole, codec, offset)
            for part in _parts(whole, codec):
                number += 1
                raw = part.removesuffix(end).removesuffix(carriage)
                if raw:
                    yield Line(number, offset, len(part), raw, codec)
                offset += len(part)
            rest = data[len(whole) :]
            if len(rest) > _LONGEST_LINE:
                raise RefusedDelivery(
                    "endless_line", f"a line is longer than {_LONGEST_LINE} bytes", offset=offset
                )
            if not block:
                return


def _mark(data: bytes, encoding: str) -> tuple[int, str]:
    """Bytes of a byte order mark, and the encoding of what follows."""
    if encoding == "utf-16":
        if data.startswith(_BOMS["utf-16-be"]):
            return 2, "utf-16-be"
        return (2 if data.startswith(_BOMS["utf-16"]) else 0), "utf-16-le"
    if encoding == "utf-8" and data.startswith(_BOMS["utf-8"]):
        return 3, encoding
    return 0, encoding


def _behind_last_line(data: bytes, codec: str) -> int:
    """The place behind the last line end; in UTF-16 a line end stands at an even place."""
    end = "\n".encode(codec)
    place = data.rfind(end)
    while place % len(end) and place >= 0:
        place = data.rfind(end, 0, place + len(end) - 1)
    return place + len(end) if place >= 0 else 0


def _parts(data: bytes, codec: str) -> Iterator[bytes]:
    """Lines of whole data with their ends."""
    if not codec.startswith("utf-16"):
        yield from data.splitlines(keepends=True) if b"\r" not in data else _split(data)
        return
    end, start = "\n".encode(codec), 0
    place = data.find(end)
    while place >= 0:
        if place % 2:
            place = data.find(end, place + 1)
            continue
        yield data[start : place + 2]
        start = place + 2
        place = data.find(end, start)
    if start < len(data):
        yield data[start:]


def _split(data: bytes) -> Iterator[bytes]:
    # A carriage return alone ends no line here, as it does for `splitlines`.
    *lines, last = data.split(b"\n")
    for line in lines:
        yield line + b"\n"
    if last:
        yield last


def _refuse_nul(data: bytes, codec: str, offset: int) -> None:
    place = data.find(b"\0")
    if codec.startswith("utf-16"):
        place = data.find(b"\0\0")
        while place >= 0 and place % 2:
            place = data.find(b"\0\0", place + 1)
    if place >= 0:
        raise RefusedDelivery("nul_byte", "a NUL byte cannot stand in text", offset=offset + place)


class Records:
    """Gathers the records of one file into the table `record`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        create_record_table(connection)
        self.count = 0
        self._connection = connection
        self._block: list[tuple[object, ...]] = []

    def add(
        self,
        fields: Sequence[str | None] | None,
        *,
        flaw: str | None = None,
        line: int | None = None,
        offset: int | None = None,
        length: int | None = None,
    ) -> None:
        """Append one record; one with a flaw may have no fields."""
        self.count += 1
        self._block.append((self.count, line, offset, length, "I", fields, flaw))
        if len(self._block) == _ROWS_PER_BLOCK:
            self.close()

    def add_line(
        self, line: Line, fields: Sequence[str | None] | None, *, flaw: str | None = None
    ) -> None:
        """Append the record that stands in one line."""
        self.add(fields, flaw=flaw, line=line.number, offset=line.offset, length=line.length)

    def finish(
        self,
        path: Path,
        header: tuple[str, ...] | None,
        trailer: tuple[str, ...] | None = None,
    ) -> Reading:
        """Write what is left and say what was read."""
        self.close()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Reading(header, self.count, digest, path.stat().st_size, trailer)

    def close(self) -> None:
        """Write what is left."""
        if self._block:
            add_records(self._connection, list(zip(*self._block, strict=True)))
            self._block = []
