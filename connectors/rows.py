"""Rows of a SQLite store as frozen values: dataclasses in and out of tables of the same columns."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from datetime import date, datetime
from typing import Any, TypeVar

from connectors.sqlite_store import as_instant, as_text, transaction

Row = TypeVar("Row")


class Rows:
    """Reads and writes dataclasses; instants, dates and mappings become text and back by name."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def writing(self) -> AbstractContextManager[None]:
        """A context in which everything written is committed together, or not at all."""
        return transaction(self._connection)

    def insert(self, table: str, row: Any, conflict: str = "") -> None:
        """Insert one dataclass into a table with columns of its names."""
        names = [field.name for field in fields(row)]
        self._connection.execute(
            f"insert {conflict} into {table} ({', '.join(names)}) "
            f"values ({', '.join('?' for _ in names)})",
            [_stored(getattr(row, name)) for name in names],
        )

    def select(self, row_type: type[Row], sql: str, values: Sequence[Any]) -> list[Row]:
        """The rows of a query as values of a dataclass that has a field for each column."""
        return [_read(row_type, row) for row in self._connection.execute(sql, values)]

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement with bound values."""
        return self._connection.execute(sql, values)


def where_of(given: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """A `where` clause (empty without values) and its values, of columns that have one."""
    used = {name: value for name, value in given.items() if value is not None}
    clauses = " and ".join(f"{name} = ?" for name in used)
    return (f" where {clauses}" if clauses else "", list(used.values()))


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return as_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return value


_INSTANTS = {
    "received_at",
    "sent_at",
    "loaded_at",
    "at",
    "resolved_at",
    "published_at",
    "announced_at",
    "delivered_at",
    "due_at",
    "confirmed_at",
    "allowed_at",
    "settled_at",
    "superseded_at",
    "expired_at",
}
_DATES = {"business_date", "covers_from"}
_OBJECTS = {"declared_sums", "sums", "detail"}


def _read(row_type: type[Row], row: sqlite3.Row) -> Row:
    values: dict[str, Any] = {}
    for field in fields(row_type):  # type: ignore[arg-type]
        value = row[field.name]
        if value is not None and field.name in _INSTANTS:
            value = as_instant(value)
        elif value is not None and field.name in _DATES:
            value = date.fromisoformat(value)
        elif field.name in _OBJECTS and str(field.type).startswith("Mapping"):
            value = json.loads(value)
        values[field.name] = value
    return row_type(**values)
