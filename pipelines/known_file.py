"""A warehouse of what was known then, in a file that says what it is, as published.json does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from cubes.snapshot import LOCKED, Snapshot
from pipelines.errors import KnownThenError


def open_known_then(
    file: Path, *, memory_limit: str | None = None, threads: int | None = None
) -> Snapshot:
    """Open what `build_known_then` wrote as readers open a published snapshot.

    Raises KnownThenError when the file is not one of its.
    """
    config: dict[str, str | bool | int | float | list[str]] = dict(LOCKED)
    config |= {} if memory_limit is None else {"memory_limit": memory_limit}
    config |= {} if threads is None else {"threads": threads}
    try:
        connection = duckdb.connect(str(file), read_only=True, config=config)
    except duckdb.Error as error:
        raise KnownThenError(f"Opening {file} failed: {error}. Check the path.") from error
    information = information_of(connection)
    if not information:
        connection.close()
        raise KnownThenError(
            f"Opening {file} failed: `huiyin build --known-at` did not write it. Check the path."
        )
    return Snapshot(str(information["tag"]), file.parent, information, connection)


def information_of(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """What such a file says of itself; empty for every other database."""
    is_signed = connection.execute(
        "select 1 from information_schema.tables "
        "where table_schema = 'known' and table_name = 'information'"
    ).fetchone()
    if not is_signed:
        return {}
    row = connection.execute("select text from known.information").fetchone()
    information: dict[str, Any] = json.loads(row[0]) if row else {}
    return information


def sign(warehouse: Path, information: Mapping[str, Any]) -> None:
    """Have a built warehouse say what it is."""
    text = json.dumps(dict(information), ensure_ascii=False, sort_keys=True)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema known")
        connection.execute("create table known.information as select ?::varchar as text", [text])
        connection.execute("checkpoint")
