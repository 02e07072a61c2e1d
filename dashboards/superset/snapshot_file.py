"""Which database file is read: the published snapshot, or the empty one before the first publish.

The answer is asked for at every connection, so that a new publish is seen without an import.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

_FILE = "warehouse.duckdb"


def snapshot_file(home: Path) -> Path:
    """The file to open now, with links resolved.

    A link would name the old and the new snapshot alike, and one process opens a name once.
    """
    directory = _current(home)
    return (directory or home / "superset" / "empty") / _FILE


def snapshot_tag(home: Path) -> str:
    """The tag of the published snapshot; empty before the first publish."""
    directory = _current(home)
    return directory.name if directory is not None else ""


def today(home: Path) -> datetime | None:
    """Midnight after the snapshot's business date: what `today` means in a period.

    Periods then end where the data end, as those of a cube query do. None before the first publish.
    """
    directory = _current(home)
    if directory is None:
        return None
    text = (directory / "published.json").read_text(encoding="utf-8")
    day = date.fromisoformat(str(json.loads(text)["business_date"]))
    return datetime(day.year, day.month, day.day) + timedelta(days=1)  # noqa: DTZ001


def connection_mutator(home: Path) -> Any:
    """A `DB_CONNECTION_MUTATOR` that opens the present snapshot."""

    def mutate(uri: Any, parameters: Any, user: Any, manager: Any, source: Any) -> Any:
        if uri.drivername.startswith("duckdb"):
            uri = uri.set(database=str(snapshot_file(home)))
        return uri, parameters

    return mutate


def _current(home: Path) -> Path | None:
    link = home / "published" / "current"
    # The snapshot a link names stays for ten minutes after the link moves on.
    return link.resolve() if (link / _FILE).exists() else None
