"""Where single records of a delimited file stand, found only when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.file_layout import FileLayout
from connectors.files.typed_chunks import TypedChunk
from connectors.formats.chunks import Chunk, quote_places
from connectors.formats.delimited import DelimitedFile, exact_blocks

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FoundRecord:
    """One record: its number, and its row of a block (line, byte_offset, byte_length, ...)."""

    record_no: int
    place: pa.Table


@dataclass(frozen=True)
class _Stretch:
    """Records of a regular chunk: number of the first, how many, where the chunk stands."""

    first: int
    count: int
    line: int
    offset: int
    length: int
    codec: str


class RecordPlaces:
    """Knows where the records of a file stand that was read once, chunk by chunk."""

    def __init__(self, path: Path, layout: FileLayout) -> None:
        self._path = path
        self._layout = layout
        self._stretches: list[_Stretch] = []
        self._is_whole = layout.compression == "none"

    def note(self, first: int, typed: TypedChunk) -> None:
        """Note where the records from number `first` came from."""
        chunk = typed.chunk
        if chunk is None:
            self._is_whole = False
            return
        place = _Stretch(first, typed.rows, chunk.line, chunk.offset, len(chunk.data), chunk.codec)
        self._stretches.append(place)

    def find(self, numbers: Places) -> Iterator[FoundRecord]:
        """Read the records of these numbers (sorted, from 1) once more."""
        if not self._is_whole:
            yield from _find_in_all(self._path, self._layout, numbers)
            return
        with self._path.open("rb") as file:
            for place in self._stretches:
                here = _between(numbers, place.first, place.count)
                if here:
                    file.seek(place.offset)
                    data = file.read(place.length)
                    chunk = Chunk(place.line, place.offset, data, place.codec)
                    for index, row in zip(here, places_in(chunk, self._layout, here), strict=True):
                        yield FoundRecord(place.first + index, row)


def _between(numbers: Places, first: int, count: int) -> list[int]:
    """Which of `count` records from number `first` on are asked for, from 0."""
    low, high = np.searchsorted(numbers, [first, first + count])
    return [int(number) - first for number in numbers[low:high]]


def _find_in_all(path: Path, layout: FileLayout, numbers: Places) -> Iterator[FoundRecord]:
    """Read the whole file again, for a packed one or one with blocks of the exact reader."""
    first = 1
    for unit in DelimitedFile(path, layout).units():
        count = count_records(unit, layout) if isinstance(unit, Chunk) else unit.num_rows
        here = _between(numbers, first, count)
        if not isinstance(unit, Chunk):
            rows = list(single_rows(unit, here))
        else:
            rows = places_in(unit, layout, here) if here else []
        for index, row in zip(here, rows, strict=True):
            yield FoundRecord(first + index, row)
        first += count


def count_records(chunk: Chunk, layout: FileLayout) -> int:
    """How many records stand in a regular chunk."""
    if not _is_plain(chunk, layout):
        return sum(block.num_rows for block in exact_blocks(chunk, layout))
    return len(_bounds(chunk, layout)[0])


def places_in(chunk: Chunk, layout: FileLayout, indexes: Sequence[int]) -> list[pa.Table]:
    """The records of a regular chunk at these indexes (from 0), each as a row of a block."""
    if not _is_plain(chunk, layout):
        whole = pa.concat_tables(list(exact_blocks(chunk, layout)))
        return list(single_rows(whole, indexes))
    starts, ends = _bounds(chunk, layout)
    newlines = _newlines(chunk)
    found = []
    for index in indexes:
        start, end = int(starts[index]), int(ends[index])
        line = chunk.line + int(np.searchsorted(newlines, start))
        record = Chunk(line, chunk.offset + start, chunk.data[start:end], chunk.codec)
        (row,) = exact_blocks(record, layout)
        found.append(row)
    return found


def single_rows(table: pa.Table, indexes: Sequence[int]) -> Iterator[pa.Table]:
    """The rows of a table at these indexes, without keeping the rest of it in memory."""
    # A slice refers to all of its table, so the few rows are copied out first.
    few = table.take(pa.array(indexes, pa.int64()))
    return (few.slice(index, 1) for index in range(len(indexes)))


def _is_plain(chunk: Chunk, layout: FileLayout) -> bool:
    """Whether the ends of records can be seen on the bytes."""
    if chunk.is_wide:
        return False
    return not layout.quote or chunk.data.count(b"\r") == chunk.data.count(b"\r\n")


def _newlines(chunk: Chunk) -> Places:
    return np.flatnonzero(np.frombuffer(chunk.data, dtype=np.uint8) == 10)


def _bounds(chunk: Chunk, layout: FileLayout) -> tuple[Places, Places]:
    """Where each record begins and ends, with its line end; blank lines are none."""
    data = np.frombuffer(chunk.data, dtype=np.uint8)
    ends = _newlines(chunk)
    quote = (layout.quote or "").encode()
    if len(quote) == 1 and quote in chunk.data:
        opened = np.searchsorted(quote_places(chunk.data, quote), ends)
        ends = ends[opened % 2 == 0]
    ends = ends + 1
    if not len(ends) or ends[-1] < len(data):
        ends = np.append(ends, len(data))
    starts = np.append(0, ends[:-1])
    length = ends - starts
    # The bytes of a blank line are LF, CRLF, or at the end of the file CR alone.
    first = data[starts]
    is_blank = (first == 10) | (
        (first == 13) & ((length == 1) | ((length == 2) & (data[ends - 1] == 10)))
    )
    return starts[~is_blank], ends[~is_blank]
