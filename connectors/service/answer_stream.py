"""Answers of any size over the service: read part by part from one pinned snapshot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cubes.record_stream import arrow_chunks, csv_chunks

if TYPE_CHECKING:
    import duckdb

    from cubes.record_stream import RecordStream

_AGAIN_SECONDS = 0.05

ARROW, CSV = "application/vnd.apache.arrow.stream", "text/csv"

_FORMS: dict[str, Callable[[RecordStream], Iterator[bytes]]] = {
    ARROW: arrow_chunks,
    CSV: csv_chunks,
}


def media_type(accept: str) -> str:
    """The form a caller accepts: CSV if it names that and not Arrow, else Arrow."""
    named = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return CSV if CSV in named and ARROW not in named else ARROW


@dataclass
class AnswerStream:
    """The bytes of one answer; `snapshot` and `business_date` tell what it is of.

    The question is asked when the first part is read. Parts may be read from any thread, one at a
    time. Whoever has it leaves it, which lets go of the snapshot.
    """

    media: str
    snapshot: str
    business_date: str
    _ask: AbstractContextManager[RecordStream]
    _cursor: duckdb.DuckDBPyConnection
    _held: ExitStack
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_left: bool = False
    _chunks: Iterator[bytes] | None = None

    def read(self) -> bytes:
        """The next part; nothing at the end or once it is left.

        Raises what asking and reading raise.
        """
        with self._lock:
            if self._is_left:
                return b""
            if self._chunks is None:
                records = self._held.enter_context(self._ask)
                self._chunks = _FORMS[self.media](records)
            # A part of the form's own making may be empty, which is not the end.
            for part in self._chunks:
                if part:
                    return part
            return b""

    def leave(self) -> None:
        """Stop what is being computed and let go of everything; may be called again."""
        self._is_left = True
        # An interrupt between two statements is lost, so it is repeated until nobody reads.
        while not self._lock.acquire(timeout=_AGAIN_SECONDS):
            self._cursor.interrupt()
        try:
            self._held.close()
        finally:
            self._lock.release()
