"""The build lock: one build at a time in one home, across processes."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import BuildLockedError

_POLL_SECONDS = 0.2


@contextmanager
def build_lock(
    path: Path, *, wait_seconds: float, say: Callable[[str], None], doing: str = "building"
) -> Iterator[None]:
    """Hold the exclusive lock on `path`; wait up to `wait_seconds` and say so once.

    `doing` is the word for what is done under the lock.

    The kernel releases the lock when its holder dies, so a killed build never blocks the next one.
    Raises BuildLockedError when the wait is over.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        deadline = time.monotonic() + wait_seconds
        waiting = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                if time.monotonic() >= deadline:
                    raise BuildLockedError(
                        f"Waiting to begin {doing} in {path.parent} failed: process {holder} is "
                        f"{doing} and did not finish within {wait_seconds:g} s. Nothing was "
                        "changed. Try again when it has finished."
                    ) from error
                if not waiting:
                    say(f"waiting for process {holder}, which is {doing}")
                    waiting = True
                time.sleep(_POLL_SECONDS)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
            fcntl.flock(file, fcntl.LOCK_UN)
