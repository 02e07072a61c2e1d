"""How much may be under way at once, of one client and of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from connectors.service.refusal import PacketRefused


@dataclass
class Room:
    """Room for so many at once of one client and in all."""

    of_client: int
    in_all: int
    _under_way: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def entered(self, client: str) -> Iterator[None]:
        """Take a place for the length of a block; raises PacketRefused where none is free."""
        if self._under_way[client] >= self.of_client or self._under_way.total() >= self.in_all:
            raise PacketRefused("busy", retry_after=1)
        self._under_way[client] += 1
        try:
            yield
        finally:
            self._under_way[client] -= 1
            if not self._under_way[client]:
                del self._under_way[client]
