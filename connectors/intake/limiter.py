"""Counting how often somebody does something, in bounded memory and by the machine's own seconds.

A clock of the home may stand still; limits must not, so callers pass monotonic seconds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from math import ceil


@dataclass
class Limiter:
    """Counts per key within windows of `seconds`; the keys longest unused are forgotten first."""

    limit: int
    seconds: float
    most_keys: int = 10_000
    _counts: OrderedDict[Hashable, tuple[float, int]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, key: Hashable, at: float) -> bool:
        """Count one more; return whether it goes beyond the limit."""
        with self._lock:
            started, count = self._current(key, at)
            self._counts[key] = (started, count + 1)
            self._counts.move_to_end(key)
            while len(self._counts) > self.most_keys:
                self._counts.popitem(last=False)
        return count + 1 > self.limit

    def wait(self, key: Hashable, at: float) -> int:
        """Whole seconds until the key may go on; 0 when it may now."""
        started, count = self._current(key, at)
        return max(1, ceil(started + self.seconds - at)) if count >= self.limit else 0

    def forget(self, key: Hashable) -> None:
        """Start a key anew."""
        with self._lock:
            self._counts.pop(key, None)

    def _current(self, key: Hashable, at: float) -> tuple[float, int]:
        started, count = self._counts.get(key, (at, 0))
        return (started, count) if at < started + self.seconds else (at, 0)
