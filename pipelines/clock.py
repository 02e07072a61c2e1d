"""The product's clock: `system`, `fixed:<instant>` or `from:<instant>`.

`fixed` stands still. `from` stands at its instant until the home is started for the first time and
runs on from there; the start is kept in `home.json` so that all processes agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal


@dataclass(frozen=True)
class Clock:
    """Where the present moment comes from; `instant` is aware and None for the system clock."""

    kind: Literal["system", "fixed", "from"]
    instant: datetime | None = None
    started_at: datetime | None = None

    def now(self) -> datetime:
        """The present moment, aware."""
        system = datetime.now(UTC)
        if self.instant is None:
            return system
        if self.kind == "from" and self.started_at is not None:
            return self.instant + (system - self.started_at)
        return self.instant


def parse_clock(text: str, started_at: datetime | None = None) -> Clock:
    """Parse a clock setting; raises ValueError saying what is expected."""
    if text == "system":
        return Clock("system")
    kind, _, instant_text = text.partition(":")
    if kind not in {"fixed", "from"} or not instant_text:
        raise ValueError("expected system, fixed:<instant> or from:<instant>")
    try:
        instant = datetime.fromisoformat(instant_text)
    except ValueError as error:
        raise ValueError(f"{instant_text!r} is not an ISO instant") from error
    if instant.tzinfo is None:
        raise ValueError(f"{instant_text!r} needs an offset such as +08:00")
    return Clock("fixed" if kind == "fixed" else "from", instant, started_at)
