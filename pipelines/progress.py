"""Progress of long work on stderr: lines for people, or one JSON object an event for machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal


class Steps:
    """Tells each step when it begins and how long it took; never a personal value."""

    def __init__(self, log_format: Literal["text", "json"]) -> None:
        self.as_json = log_format == "json"
        self.live = sys.stderr.isatty() and not self.as_json

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        """Show that `label` runs, then how long it took."""
        begun = time.monotonic()
        if self.as_json:
            self._event("begun", step=label)
        else:
            self._write(f"  … {label}", end="" if self.live else "\n")
        yield
        self.done(label, time.monotonic() - begun)

    def done(self, label: str, seconds: float) -> None:
        """Show that `label` is done and how long it took."""
        if self.as_json:
            self._event("done", step=label, seconds=round(seconds, 3))
        else:
            line = f"  ✓ {label}  {seconds:.1f} s"
            self._write(f"\r\033[K{line}" if self.live else line)

    def say(self, text: str) -> None:
        """Tell a detail of the running step; people see it only while it is the newest."""
        if self.as_json:
            self._event("detail", text=text)
        elif self.live:
            self._write(f"\r\033[K  … {text}", end="")

    def note(self, text: str) -> None:
        """Tell something that stays to be read."""
        if self.as_json:
            self._event("note", text=text)
        else:
            self._write(f"  · {text}")

    def count(self, done: int, total: int) -> None:
        """Show a count within the running step to people who watch."""
        if self.live:
            self.say(f"{done}" if not total else f"{done}/{total}")

    def _event(self, event: str, **fields: str | float) -> None:
        self._write(json.dumps({"event": event, **fields}, ensure_ascii=False))

    def _write(self, text: str, end: str = "\n") -> None:
        sys.stderr.write(text + end)
        sys.stderr.flush()
