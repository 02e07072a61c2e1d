"""The published snapshot of now, held open for as long as a request reads it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from connectors.service.refusal import PacketRefused
from cubes.errors import SnapshotError
from cubes.snapshot import Snapshot


@dataclass
class _Open:
    snapshot: Snapshot
    readers: int = 0


class SnapshotPins:
    """Opens the current snapshot once and closes it when another serves and nobody reads it.

    `tag_of` gives the tag that serves, or None, without opening anything.
    """

    def __init__(
        self, tag_of: Callable[[], str | None], open_snapshot: Callable[[], Snapshot]
    ) -> None:
        self._tag_of = tag_of
        self._open = open_snapshot
        self._lock = threading.Lock()
        self._current: _Open | None = None

    @contextmanager
    def pinned(self) -> Iterator[Snapshot]:
        """The snapshot that serves now; it stays what it is inside the block.

        Raises PacketRefused (`not_published`) before the first publish.
        """
        with self._lock:
            opened = self._take()
            opened.readers += 1
        try:
            yield opened.snapshot
        finally:
            with self._lock:
                opened.readers -= 1
                if opened is not self._current and not opened.readers:
                    opened.snapshot.close()

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            current, self._current = self._current, None
            if current is not None and not current.readers:
                current.snapshot.close()

    def _take(self) -> _Open:
        tag = self._tag_of()
        if tag is None:
            raise PacketRefused("not_published")
        current = self._current
        if current is not None and current.snapshot.path.name == tag:
            return current
        try:
            self._current = _Open(self._open())
        except SnapshotError as error:
            if current is not None:
                # The one that is open answers as well until the new one can be opened.
                return current
            raise PacketRefused("not_published") from error
        if current is not None and not current.readers:
            current.snapshot.close()
        return self._current
