"""Finding repeated keys in a file of any size: by hashes; whoever asks compares the keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import TracebackType

import numpy as np
import numpy.typing as npt

_SPOOL_IN_MEMORY = 16 * 1024 * 1024
_AT_ONCE = 4 * 1024 * 1024

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]


class KeyCheck:
    """Takes one hash per record in the order of the file.

    The hashes of the first `most_in_memory` records are compared as they come; beyond that only
    `unseen_meetings` at the end finds which later records meet, and memory grows no more.
    """

    def __init__(self, folder: Path, *, most_in_memory: int = 6_000_000) -> None:
        # Closed by `__exit__`.
        self._spool = SpooledTemporaryFile(_SPOOL_IN_MEMORY, dir=str(folder))  # noqa: SIM115
        self._most = most_in_memory
        self._runs: list[Hashes] = []
        self._count = 0

    def __enter__(self) -> KeyCheck:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._spool.close()

    @property
    def overflowed(self) -> bool:
        """Whether there were more records than are compared as they come."""
        return self._count > self._most

    def add(self, hashes: Hashes, is_good: npt.NDArray[np.bool_] | None) -> Numbers:
        """Append the next records; which of them (from 0) have the hash of an earlier good one.

        Records that are not good are compared with nothing, nor anything with them.
        """
        self._spool.write(np.ascontiguousarray(hashes).tobytes())
        self._count += len(hashes)
        if self.overflowed:
            self._runs = []
            return np.empty(0, dtype=np.int64)
        places = np.arange(len(hashes)) if is_good is None else np.flatnonzero(is_good)
        good = hashes[places]
        order = np.argsort(good, kind="stable")
        ordered = good[order]
        met = np.zeros(len(ordered), dtype=bool)
        met[1:] = ordered[1:] == ordered[:-1]
        for run in self._runs:
            found = np.searchsorted(run, ordered)
            found[found == len(run)] = 0
            met |= run[found] == ordered
        self._remember(ordered[~met])
        return np.sort(places[order[met]])

    def _remember(self, run: Hashes) -> None:
        """Keep sorted runs of falling size, so that there are always few."""
        if not len(run):
            return
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-1]) * 2 >= len(self._runs[-2]):
            both = np.concatenate([self._runs.pop(), self._runs.pop()])
            both.sort(kind="stable")
            self._runs.append(both)

    def sharing(self, hashes: Hashes) -> Numbers:
        """Numbers (from 1) of all records that have one of these hashes."""
        found = [
            start + np.flatnonzero(np.isin(block, hashes)) + 1 for start, block in self._blocks()
        ]
        return np.concatenate(found) if found else np.empty(0, dtype=np.int64)

    def unseen_meetings(self, without: set[int]) -> Numbers:
        """Numbers (from 1) of the records that share their hash with another, but for `without`."""
        if not self.overflowed:
            return np.empty(0, dtype=np.int64)
        left_out = np.array(sorted(without), dtype=np.int64)
        parts = self._count // _AT_ONCE + 1
        repeated = [self._repeated(part, parts, left_out - 1) for part in range(parts)]
        return np.setdiff1d(self.sharing(np.concatenate(repeated)), left_out)

    def _repeated(self, part: int, parts: int, left_out: Numbers) -> Hashes:
        """Hashes of one part that stand twice; the part of a hash is its rest by their number."""
        gathered = []
        for start, block in self._blocks():
            keep = block % np.uint64(parts) == part
            inside = left_out[(left_out >= start) & (left_out < start + len(block))]
            keep[inside - start] = False
            gathered.append(block[keep])
        hashes = np.concatenate(gathered)
        hashes.sort()
        return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])

    def _blocks(self) -> Iterator[tuple[int, Hashes]]:
        self._spool.seek(0)
        start = 0
        while block := self._spool.read(8 * 1024 * 1024):
            hashes = np.frombuffer(block, dtype=np.uint64)
            yield start, hashes
            start += len(hashes)
