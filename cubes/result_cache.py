"""Answers kept by snapshot: the same question to the same snapshot is answered once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cubes.result import CubeResult


@dataclass
class ResultCache:
    """Answers by their question, the one used longest ago going first; safe among threads.

    A snapshot never changes, so an answer is good as long as its snapshot's tag is in the key; the
    scope is in it too, so no account gets another's. Callers must not change what they get.
    `most_cells` bounds the values kept in all, `most_each` those of one answer worth keeping.
    """

    most_cells: int = 2_000_000
    most_each: int = 200_000
    _kept: OrderedDict[Hashable, CubeResult] = field(default_factory=OrderedDict, repr=False)
    _cells: int = field(default=0, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def get(self, key: Hashable) -> CubeResult | None:
        """The answer kept under the key, if there is one."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Hashable, result: CubeResult) -> None:
        """Keep an answer, in place of those used longest ago; one that is too large is not kept."""
        size = _size(result)
        if size > self.most_each:
            return
        with self._lock:
            old = self._kept.pop(key, None)
            self._cells += size - (_size(old) if old is not None else 0)
            self._kept[key] = result
            while self._cells > self.most_cells:
                _, dropped = self._kept.popitem(last=False)
                self._cells -= _size(dropped)

    def __len__(self) -> int:
        return len(self._kept)


def _size(result: CubeResult) -> int:
    # An answer without rows still takes room.
    return (len(result.rows) + len(result.totals)) * len(result.columns) + 100
