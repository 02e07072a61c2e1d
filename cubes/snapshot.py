"""Published snapshots: open the current one read-only, locked, and know what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

from cubes.errors import SnapshotError
from cubes.warehouse import Warehouse, read_warehouse

LOCKED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "lock_configuration": "true",
}


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One opened snapshot: its tag, its folder (resolved), and the mapping of published.json.

    Keep one per tag in a process, take a cursor for each request, and close it when the tag
    changes: `current_tag` tells without opening.
    """

    tag: str
    path: Path
    info: Mapping[str, Any]
    _connection: duckdb.DuckDBPyConnection = field(repr=False)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for one request or thread."""
        return self._connection.cursor()

    @cached_property
    def warehouse(self) -> Warehouse:
        """Tables, columns and organisation levels of this snapshot, read once."""
        with self.cursor() as cursor:
            return read_warehouse(cursor)

    @property
    def business_date(self) -> date:
        """The last complete local day the snapshot was built for."""
        return date.fromisoformat(str(self.info["business_date"]))

    def close(self) -> None:
        """Close the file; cursors taken from it stop working."""
        self._connection.close()

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def current_folder(published: Path) -> Path:
    """The folder that `published/current` points to now; SnapshotError if nothing is published."""
    link = published / "current"
    try:
        folder = link.resolve(strict=True)
    except OSError as error:
        raise SnapshotError(
            f"Looked for a published snapshot at {link}: there is none yet. Trying again helps "
            "only after a build and publish; run `huiyin run`."
        ) from error
    if not folder.is_dir():
        raise SnapshotError(
            f"{link} is not a link to a snapshot's folder. Publish again with `huiyin build`."
        )
    return folder


def current_tag(published: Path) -> str:
    """The tag of the current snapshot, without opening it."""
    return current_folder(published).name


def open_snapshot(
    published: Path, *, memory_limit: str | None = None, threads: int | None = None
) -> Snapshot:
    """Open the current snapshot under `published`, read-only with a locked configuration.

    Raises SnapshotError when nothing is published or the snapshot cannot be read.
    """
    folder = current_folder(published)
    try:
        info = json.loads((folder / "published.json").read_text(encoding="utf-8"))
        date.fromisoformat(info["business_date"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SnapshotError(
            f"Snapshot {folder.name} has no readable published.json: {_cause(error)}. Publish "
            "again with `huiyin build`."
        ) from error
    config: dict[str, str | bool | int | float | list[str]] = dict(LOCKED)
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    if threads is not None:
        config["threads"] = str(threads)
    file = folder / "warehouse.duckdb"
    try:
        connection = duckdb.connect(str(file), read_only=True, config=config)
    except duckdb.Error as error:
        raise SnapshotError(
            f"Snapshot {folder.name} could not be opened: {error} If it stays so, publish again "
            "with `huiyin build`."
        ) from error
    return Snapshot(str(info.get("tag", folder.name)), folder, info, connection)


def _cause(error: Exception) -> str:
    wrong = isinstance(error, TypeError | KeyError)
    return "its business_date is missing or no date" if wrong else str(error)
