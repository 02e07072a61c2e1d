"""A dispatcher that kills itself with SIGKILL at a moment, run as a process by the tests."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from notifications.dispatcher import dispatch
from notifications.store import open_store
from notifications.transports import Answer, Receipt, Submission
from notifications.transports.file import FileTransport


def die() -> None:
    """End at once, as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


class Dying(FileTransport):
    """Dies at `moment` of the second group."""

    moment = ""
    groups = 0

    def submit(self, group: Sequence[Submission], now: datetime) -> list[Answer]:
        """Send, and die before, in the midst of or after the write."""
        self.groups += 1
        if self.groups == 2:
            if self.moment == "before the write":
                die()
            if self.moment == "half a line written":
                super().submit(group[:1], now)
                self._file.write(b'{"sent_at": "2026-03-31T09:0')
                die()
            if self.moment == "half the group written":
                super().submit(group[:2], now)
                die()
        answers = super().submit(group, now)
        if self.groups == 2 and self.moment == "after the write":
            die()
        return answers

    def receipts(self) -> list[Receipt]:
        """Receipts, unless the process dies between the answer and them."""
        if self.groups == 2 and self.moment == "before the receipts":
            die()
        return super().receipts()

    def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        """Acknowledge, unless the process dies before it."""
        if self.groups == 2 and self.moment == "before the acknowledgement":
            die()
        super().acknowledge(receipts)


def main(url: str, path: str, moment: str, now: str) -> None:
    """Dispatch in groups of four until death."""
    Dying.moment = moment
    dispatch(
        open_store(url),
        Dying(Path(path)),
        lambda pseudonym: f"+86{pseudonym}",
        datetime.fromisoformat(now),
        owner="dying",
        rng=random.Random(1),
        group=4,
        unseal=bytes.decode,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
