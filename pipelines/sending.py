"""The dispatcher as a process of its own: sends what becomes due until it is told to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipelines.installation import Installation
from pipelines.telling import operations, send

_PAUSE = 1.0
_PAUSE_AFTER_FAULT = 10.0
# Receipts and doubts of earlier sends are looked after even while nothing is due.
_FULL_ROUND_EVERY = 30.0


def keep_sending(
    installation: Installation, stop: threading.Event, say: Callable[[str], None]
) -> None:
    """Send one group after another until `stop` is set; a group that has begun is finished.

    A fault that may pass is told and tried again; any other ends the process.
    """
    from notifications.dispatcher import has_due

    looked_after = 0.0
    with operations(installation) as engine:
        while not stop.is_set():
            pause = _PAUSE
            is_overdue = time.monotonic() - looked_after >= _FULL_ROUND_EVERY
            if is_overdue or has_due(engine, installation.now()):
                try:
                    report = send(installation, until_empty=False)
                except Exception as error:
                    if not getattr(error, "retryable", False):
                        raise
                    say(str(error))
                    pause = _PAUSE_AFTER_FAULT
                else:
                    looked_after = time.monotonic()
                    pause = 0.0 if report.submitted else _PAUSE
            stop.wait(pause)
