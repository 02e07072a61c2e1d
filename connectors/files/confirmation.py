"""Confirming landed files: the read log for their sender, then the archive, then the ledger.

What was done before a kill is not done twice, nothing in the archive is overwritten, and a file
that was replaced by other content in the meantime stays, with its own log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from os import fsdecode, fsencode

from connectors.files.exchange import READ_LOG, SEND_LOG, hash_file, write_read_log
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch, Confirmation
from connectors.places.place import Place, Stamp

ARCHIVE = "archive"
_TOGETHER = 32
_LONGEST_NAME = 255
_MOST_OF_ONE_NAME = 1000


class FileConfirmer:
    """Confirms batches a few at a time, so that many small files share what makes them durable."""

    def __init__(
        self, place: Place, ledger: Ledger, *, now: datetime, at: Callable[[str], None]
    ) -> None:
        self._place = place
        self._ledger = ledger
        self._now = now
        self._at = at
        self._told: list[tuple[Batch, Stamp | None]] = []

    def add(self, batch: Batch, stamp: Stamp | None) -> None:
        """Confirm a loaded batch soon; `stamp` is that of the file when its content was hashed."""
        self._told.append((batch, stamp))
        if len(self._told) >= _TOGETHER:
            self.finish()

    def finish(self) -> None:
        """Confirm what was added."""
        told, self._told = self._told, []
        if not told:
            return
        own = [batch for batch, stamp in told if self._holds(batch, stamp)]
        for batch in own:
            write_read_log(self._place, batch, result=_result(batch), now=self._now, at_once=False)
        self._place.flush()
        self._at("read_log")
        replaced = {batch.batch_id for batch, _ in told} - {batch.batch_id for batch in own}
        for batch, _ in told:
            if batch.batch_id in replaced and self._place.exists(batch.place):
                continue
            archive(self._place, batch)
        self._place.flush()
        self._at("archived")
        self._ledger.confirm_all(
            Confirmation(batch.batch_id, "read_log", batch.place, _result(batch), self._now)
            for batch, _ in told
        )

    def _holds(self, batch: Batch, stamp: Stamp | None) -> bool:
        """Whether the file lies there with the content that was landed."""
        try:
            if stamp is not None and self._place.stamp(batch.place) == stamp:
                return True
            same = hash_file(self._place.fetch(batch.place)) == batch.content_sha256
        except FileNotFoundError:
            return False
        self._place.release(batch.place)
        return same


def archive(place: Place, batch: Batch) -> None:
    """Move a landed file and its logs to the archive; repeating it moves what is left.

    A name that is taken there gets the batch id behind it, and a number if need be.
    """
    for name in (batch.place, f"{batch.place}{SEND_LOG}", f"{batch.place}{READ_LOG}"):
        for kept in archived_names(name, batch.batch_id):
            with suppress(FileNotFoundError):
                try:
                    place.move(name, f"{ARCHIVE}/{kept}")
                except FileExistsError:
                    continue
            break


def archived_names(name: str, batch_id: str) -> Iterator[str]:
    """The names under which a file may lie in the archive, in the order in which they are tried."""
    short = batch_id[:12]
    yield name
    yield _with_end(name, f".{short}")
    for number in range(2, _MOST_OF_ONE_NAME):
        yield _with_end(name, f".{short}.{number}")


def _with_end(name: str, end: str) -> str:
    return fsdecode(fsencode(name)[: _LONGEST_NAME - len(end)]) + end


def _result(batch: Batch) -> str:
    return "partial" if batch.rejected else "ok"
