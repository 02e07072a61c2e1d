"""A delimited file in chunks that end with a record, each with its exact place.

Places count from the start of the unpacked bytes, in the file's own encoding. A chunk is irregular
where quotes do not stand as RFC 4180 says, or cannot be followed on the bytes; from there on only
the exact reader may say where records end, so every later chunk is irregular too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from connectors.errors import RefusedDelivery
from connectors.file_layout import FileLayout
from connectors.formats.packing import unpacked

BLOCK = 8 * 1024 * 1024
LONGEST_LINE = 16 * 1024 * 1024
_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Chunk:
    """Whole lines of a file: number of the first line, its offset, the bytes without a mark."""

    line: int
    offset: int
    data: bytes
    codec: str
    regular: bool = True

    @property
    def is_wide(self) -> bool:
        """Whether characters have at least two bytes each."""
        return self.codec.startswith("utf-16")

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing but line ends."""
        if self.is_wide:
            return not self.text.strip("\r\n")
        return not self.data.strip(b"\r\n")

    @cached_property
    def text(self) -> str:
        """The chunk decoded; raises RefusedDelivery at the byte that cannot be."""
        try:
            text = self.data.decode(self.codec)
        except UnicodeDecodeError as error:
            raise RefusedDelivery(
                "broken_encoding",
                f"the bytes are not {self.codec}",
                offset=self.offset + error.start,
            ) from error
        place = text.find("\0") if self.is_wide else -1
        if place >= 0:
            raise _nul(self.offset + len(text[:place].encode(self.codec)))
        return text

    @property
    def utf8(self) -> bytes:
        """The chunk in UTF-8; bytes that are UTF-8 already are not looked at."""
        if self.codec == "utf-8" or (self.codec == "gb18030" and self.data.isascii()):
            return self.data
        return self.text.encode("utf-8")

    def lengths(self) -> list[int]:
        """Bytes of each line with its end."""
        if self.is_wide:
            lines = self.text.split("\n")
            lengths = [len(line.encode(self.codec)) + 2 for line in lines]
            end = 2
        else:
            lengths = [len(part) + 1 for part in self.data.split(b"\n")]
            end = 1
        if lengths[-1] == end:
            lengths.pop()
        else:
            lengths[-1] -= end
        return lengths

    def split_before(self, place: int, line: int) -> tuple[Chunk, Chunk]:
        """Cut in two at a byte of `data`; `line` lines stand before it."""
        head = Chunk(self.line, self.offset, self.data[:place], self.codec, self.regular)
        tail = Chunk(
            self.line + line, self.offset + place, self.data[place:], self.codec, self.regular
        )
        return head, tail


def _nul(offset: int) -> RefusedDelivery:
    return RefusedDelivery("nul_byte", "a NUL byte cannot stand in text", offset=offset)


def cut(path: Path, layout: FileLayout, digest: hashlib._Hash | None = None) -> Iterator[Chunk]:
    """Cut a file into chunks; `digest` is fed with what is read of a file that is not packed.

    Raises RefusedDelivery for a NUL byte, a line without end and a broken archive.
    """
    line, offset, rest = 1, 0, b""
    codec: str = layout.encoding
    regular = start = True
    with unpacked(path, layout.compression) as source:
        while True:
            block = source.read(BLOCK)
            if digest is not None and layout.compression == "none":
                digest.update(block)
            data = rest + block if rest else block
            if start:
                skipped, codec = _mark(data, layout.encoding)
                data, offset, start = data[skipped:], skipped, False
            end = _last_line_end(data, codec, len(data)) if block else len(data)
            if layout.quote and regular:
                regular, end = _quoted_end(data, layout, codec, end, last=not block)
            if not end and block:
                if len(data) > LONGEST_LINE:
                    raise RefusedDelivery(
                        "endless_line", f"a line is longer than {LONGEST_LINE} bytes", offset=offset
                    )
                rest = data
                continue
            if end:
                chunk = Chunk(line, offset, data[:end], codec, regular)
                place = -1 if chunk.is_wide else chunk.data.find(b"\0")
                if place >= 0:
                    raise _nul(offset + place)
                yield chunk
                line += chunk.text.count("\n") if chunk.is_wide else chunk.data.count(b"\n")
            offset += end
            rest = data[end:]
            if not block:
                return


def _mark(data: bytes, encoding: str) -> tuple[int, str]:
    """Bytes of a byte order mark, and the encoding of what follows."""
    if encoding == "utf-16":
        if data.startswith(b"\xfe\xff"):
            return 2, "utf-16-be"
        return (2 if data.startswith(b"\xff\xfe") else 0), "utf-16-le"
    if encoding == "utf-8" and data.startswith(_UTF8_MARK):
        return len(_UTF8_MARK), encoding
    return 0, encoding


def _last_line_end(data: bytes, codec: str, before: int) -> int:
    """The place behind the last line end; in UTF-16 one stands at an even place."""
    end = "\n".encode(codec)
    place = data.rfind(end, 0, before)
    while place >= 0 and place % len(end):
        place = data.rfind(end, 0, place + len(end) - 1)
    return place + len(end) if place >= 0 else 0


def _quoted_end(
    data: bytes, layout: FileLayout, codec: str, end: int, *, last: bool
) -> tuple[bool, int]:
    """Whether `data` is regular, and the last place in it at which no quote is open."""
    assert layout.quote is not None
    quote = layout.quote.encode(codec)
    if quote not in data:
        return True, end
    if not _can_be_followed(layout, codec, data) or len(data) > LONGEST_LINE:
        return False, end
    open_quotes = data.count(quote, 0, end)
    place = end
    while place and open_quotes % 2:
        if last:
            return False, end
        before = _last_line_end(data, codec, place - 1)
        open_quotes -= data.count(quote, before, place)
        place = before
    if not place:
        return True, 0
    if _quotes_are_regular(data[:place], layout, quote):
        return True, place
    return False, end


def _can_be_followed(layout: FileLayout, codec: str, data: bytes) -> bool:
    """Whether every byte that looks like a quote or a delimiter is one, and none is escaped."""
    if codec.startswith("utf-16") or len(layout.delimiter) > 1 or not layout.delimiter.isascii():
        return False
    if layout.escape not in {None, layout.quote} and (layout.escape or "").encode(codec) in data:
        return False
    # In GB18030 the later bytes of a character begin with the digits.
    narrow = codec == "utf-8" or (layout.quote in {'"', "'"} and layout.delimiter < "0")
    return narrow and (layout.quote or "").isascii() and layout.quote != layout.delimiter


def _quotes_are_regular(data: bytes, layout: FileLayout, quote: bytes) -> bool:
    """Whether each field in quotes begins behind a delimiter or line end and ends before one."""
    places = quote_places(data, quote)
    before = np.frombuffer(b"\n" + data, dtype=np.uint8)
    after = np.frombuffer(data + b"\n", dtype=np.uint8)
    opening, closing = places[0::2], places[1::2]
    delimiter = layout.delimiter.encode()[0]
    doubled = np.zeros(len(opening), dtype=bool)
    if layout.escape in {None, layout.quote}:
        doubled[1:] = opening[1:] == closing[:-1] + 1
    left, right = before[opening], after[closing + 1]
    begins = (left == delimiter) | (left == 10) | doubled
    reopened = np.zeros(len(closing), dtype=bool)
    reopened[:-1] = doubled[1:]
    ends = (right == delimiter) | (right == 10) | (right == 13) | reopened
    return bool(begins.all() and ends.all())


def quote_places(data: bytes, quote: bytes) -> npt.NDArray[np.int64]:
    """The places of a quote of one byte."""
    return np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == quote[0])
