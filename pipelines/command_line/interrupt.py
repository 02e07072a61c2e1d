"""Ctrl-C at the edge: one line and exit code 130, at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

INTERRUPTED = 130


def end_on_interrupt() -> None:
    """Let SIGINT end the process; where it was ignored from the start, as under nohup, it stays so.

    Every command may be killed at any moment and repeated, so nothing needs to be unwound. An
    exception thrown into an import or into dbt's threads would be swallowed or hang instead.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)
        # Python's tracker process, which dbt starts, would add a warning of its own to the line.
        sys.warnoptions.append("ignore:resource_tracker:UserWarning")


def told_to_end() -> threading.Event:
    """An event that SIGTERM and SIGINT set, for a process that lives on and ends its own work."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return ended


def _end(number: int, frame: FrameType | None) -> None:
    os.write(2, "\n已中断，可以重新执行。 Interrupted; run the same command again.\n".encode())
    os._exit(INTERRUPTED)
