"""The home directory of an installation: its layout and its `home.json`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.errors import HomeError

_CHOICES = ("clock", "timezone", "calendar", "currency", "first_day", "sources")


@dataclass(frozen=True)
class Home:
    """Absolute paths of everything an installation keeps."""

    path: Path

    @property
    def exchange(self) -> Path:
        """Partner folders."""
        return self.path / "exchange"

    @property
    def raw(self) -> Path:
        """Landed batches as Parquet."""
        return self.path / "raw"

    @property
    def ledger(self) -> Path:
        """Ledger database."""
        return self.path / "ledger.db"

    @property
    def pii(self) -> Path:
        """PII store."""
        return self.path / "pii.db"

    @property
    def operations(self) -> Path:
        """Accounts, subscriptions, alert state, outbox."""
        return self.path / "ops.db"

    @property
    def work(self) -> Path:
        """Working database: raw views, staging, intermediate."""
        return self.path / "work.duckdb"

    @property
    def warehouse(self) -> Path:
        """Marts before they are published."""
        return self.path / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """Snapshots and the link `current`."""
        return self.path / "published"

    @property
    def simulator(self) -> Path:
        """The simulated source systems' own databases and their truth."""
        return self.path / "simulator"

    @property
    def sent(self) -> Path:
        """Where the file transport delivers messages."""
        return self.path / "sent"

    @property
    def dbt(self) -> Path:
        """dbt's target and logs."""
        return self.path / "dbt"

    @property
    def mart_outcomes(self) -> Path:
        """How the marts and their tests came out in the last build."""
        return self.dbt / "mart_outcomes.json"

    @property
    def secrets(self) -> Path:
        """Default secrets file."""
        return self.path / "secrets.env"

    @property
    def build_lock(self) -> Path:
        """Lock held by the one process that builds."""
        return self.path / "build.lock"

    @property
    def description(self) -> Path:
        """`home.json`."""
        return self.path / "home.json"

    @property
    def inbox(self) -> Path:
        """Submissions and events that came in through the intake."""
        return self.path / "inbox.db"

    @property
    def run(self) -> Path:
        """What the running processes share: addresses, configuration of the process control."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """Logs of the running processes."""
        return self.path / "logs"

    @property
    def dagster(self) -> Path:
        """Dagster's own storage."""
        return self.path / "dagster"

    @property
    def superset(self) -> Path:
        """Superset's metadata, the generated bundle, the empty database before a publish."""
        return self.path / "superset"

    def version(self) -> float | None:
        """When `home.json` was last written, in seconds; None if there is none."""
        try:
            return self.description.stat().st_mtime
        except OSError:
            return None

    def site(self, folder: str) -> Path:
        """The installation's own declaration folder beside a shipped one."""
        return self.path / "site" / folder

    def has_data(self) -> bool:
        """Whether anything was ever landed or built here."""
        return any(path.exists() for path in (self.ledger, self.warehouse, self.raw, self.pii))

    def require_store(self, path: Path) -> None:
        """Raise HomeError if a store that landing writes is gone while its batches are there.

        An empty one in its place would say that nothing was ever delivered.
        """
        if path.exists() or not self.raw.is_dir() or not any(self.raw.iterdir()):
            return
        raise HomeError(
            f"Opening {path} failed: it is gone, but {self.raw} holds landed batches that it "
            "accounts for. Nothing was changed. Trying again helps once the file is restored from "
            "a backup; to start over, use an empty home."
        )

    def ensure(self) -> None:
        """Create the home; raises HomeError if that is impossible."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(
                f"Creating the home {self.path} failed: {error.strerror}. "
                "Trying again does not help; set HUIYIN_HOME to a folder you may write to."
            ) from error


def read_home(home: Home) -> dict[str, Any]:
    """Read `home.json`; an absent file is an empty description. Raises HomeError if unreadable."""
    try:
        text = home.description.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise HomeError(f"Reading {home.description} failed: {error}.") from error
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise HomeError(
            f"Reading {home.description} failed at line {error.lineno}: {error.msg}. "
            "Trying again does not help; correct the file."
        ) from error
    if not isinstance(data, dict):
        raise HomeError(f"Reading {home.description} failed: expected a JSON object.")
    return data


def write_home(home: Home, changes: Mapping[str, Any]) -> None:
    """Merge `changes` into `home.json` atomically; a value of None removes its key."""
    home.ensure()
    merged = {**read_home(home), **changes}
    merged = {key: value for key, value in merged.items() if value is not None}
    temporary = home.description.with_name(".home.json.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(merged, file, ensure_ascii=False, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(home.description)


def read_home_choices(path: Path, faults: list[str]) -> dict[str, Any]:
    """The settings a home chose for itself; a broken `home.json` becomes a fault."""
    try:
        description = read_home(Home(path))
    except HomeError as error:
        faults.append(str(error))
        return {}
    return {name: description[name] for name in _CHOICES if name in description}


def started_at(home: Home) -> datetime | None:
    """When the home was first started, or None; the anchor of a clock that runs on."""
    text = read_home(home).get("started_at")
    if text is None:
        return None
    try:
        started = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise _unusable(home, "started_at", "an ISO instant") from error
    if started.tzinfo is None:
        raise _unusable(home, "started_at", "an ISO instant with an offset")
    return started


def read_roster(home: Home) -> list[dict[str, Any]]:
    """Members the home itself adds to the roster; raises HomeError if they are no list of those."""
    roster = read_home(home).get("roster", [])
    if not isinstance(roster, list) or not all(isinstance(member, dict) for member in roster):
        raise _unusable(home, "roster", "a list of objects")
    return roster


def _unusable(home: Home, name: str, expected: str) -> HomeError:
    return HomeError(
        f"Reading {home.description} failed: '{name}' must be {expected}. Trying again does not "
        "help; correct the file."
    )
