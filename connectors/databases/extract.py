"""Reading of ordinary tables: read only, the contract's columns only, whole or from a cursor on."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import sqlalchemy as sa
from sqlalchemy import types

from connectors.contract import Cursor, Stream
from connectors.databases.control_totals import Totals, declared_totals, total_columns
from connectors.databases.table_columns import TableColumn, find_table
from connectors.databases.table_reading import load_records, told_rows
from connectors.errors import InterfaceMismatch
from connectors.sql_text import quoted

_DEFAULT_FORMATS = {"date": "%Y-%m-%d", "timestamp": "%Y-%m-%d %H:%M:%S"}
_PARTS = "YmdHMSf"


class ExtractTable:
    """One ordinary table of a source, read by the contract of one stream.

    `zone` is meant where a column of timestamps states none. `stream` is the contract's in the
    spellings in which values come, `extra` columns that land beside its own: the table's names by
    ours. Every method raises SourceUnreachable or InterfaceMismatch when the database fails.
    """

    def __init__(self, engine: sa.Engine, name: str, stream: Stream, *, zone: str) -> None:
        if stream.table is None:
            raise InterfaceMismatch(
                f"Reading stream '{name}' failed: its contract names no table. Trying again does "
                "not help; give it 'table'."
            )
        self.name = stream.table
        self._engine = engine
        self._cursor = stream.cursor
        self._zone = zone
        parts = (stream.cursor, stream.deleted)
        needed = [part.column for part in parts if part is not None]
        self._found = find_table(engine, self.name, stream, needed=needed)
        self.stream = self._found.stream_as_told(stream, engine.url.get_backend_name())
        self.extra = self._found.extra
        self.findings = self._found.findings
        if self._cursor is not None:
            self._require_order(self._cursor)

    def load(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        since: str | None,
        fetch_size: int,
        rows_per_second: int | None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> tuple[int, Totals]:
        """Make the table `told` from the rows; their count and what the database says of them.

        `since` is a cursor's value as `position` gives it: rows from its window on are read, and
        those without a value, which no window holds. Without it the whole table is read.
        """
        query = told_rows(self._engine, self._found, number=None, op=None)
        if since is not None and self._cursor is not None:
            column = self._column(self._cursor.column)
            query = query.where(
                sa.or_(column.column >= self._bound(column, since), column.column.is_(None))
            )
        control = self.stream.control.sums
        told = load_records(
            connection,
            self._engine,
            query,
            width=len(self._found.columns),
            totals=total_columns(self._found, self._engine.url.get_backend_name(), control),
            doing="Reading rows at",
            fetch_size=fetch_size,
            read_only=True,
            rows_per_second=rows_per_second,
            sleep=sleep,
        )
        return told.rows, declared_totals(told.totals, self._found, control)

    def position(
        self, connection: duckdb.DuckDBPyConnection, since: str | None, now: datetime
    ) -> str | None:
        """How far the cursor has come after the rows of `typed`, never back and never past `now`.

        A row of a far future would otherwise hide all that come before it.
        """
        if self._cursor is None:
            return None
        column = self._column(self._cursor.column).contract
        type_ = column.duckdb_type
        value = f"max({quoted(self._cursor.column)})"
        if column.type == "timestamp":
            moment = now.astimezone(UTC).replace(tzinfo=None).isoformat()
            value = f"case when {value} is not null then least({value}, '{moment}'::{type_}) end"
        elif column.type == "date":
            day = now.astimezone(ZoneInfo(self._zone)).date().isoformat()
            value = f"case when {value} is not null then least({value}, '{day}'::{type_}) end"
        row = connection.execute(
            f"select cast(greatest({value}, ?::{type_}) as varchar) from typed", [since]
        ).fetchone()
        return row[0] if row else None

    def window(self, since: str | None) -> str:
        """SQL over raw columns: whether a row belongs to what is read from `since` on."""
        if since is None or self._cursor is None:
            return "true"
        name = quoted(self._cursor.column)
        type_ = self._column(self._cursor.column).contract.duckdb_type
        low = _before(since, self._cursor, type_)
        return f"({name} >= '{low}'::{type_} or {name} is null)"

    def highest(self, connection: duckdb.DuckDBPyConnection) -> str | None:
        """The highest value of the cursor in `typed`; None if a row has none, or there is none."""
        if self._cursor is None:
            return None
        name = quoted(self._cursor.column)
        row = connection.execute(
            f"select case when count(*) = count({name}) then cast(max({name}) as varchar) end "
            "from typed"
        ).fetchone()
        return row[0] if row else None

    def beyond(self, since: str | None, highest: str) -> str:
        """SQL: whether a batch whose values end at `highest`, a column of texts, is outdated.

        No row of it belongs to what is read from `since` on; unknown ends are never.
        """
        if since is None or self._cursor is None:
            return "false"
        type_ = self._column(self._cursor.column).contract.duckdb_type
        low = _before(since, self._cursor, type_)
        return f"coalesce({highest}::{type_} < '{low}'::{type_}, false)"

    def _column(self, name: str) -> TableColumn:
        return next(column for column in self._found.columns if column.name == name)

    def _bound(self, column: TableColumn, since: str) -> Any:
        """The first value to read, as the table's column compares it."""
        assert self._cursor is not None
        low = _before(since, self._cursor, column.contract.duckdb_type)
        if column.contract.is_numeric:
            return Decimal(low) if column.contract.scale is not None else int(low)
        moment = datetime.fromisoformat(low)
        if column.contract.type == "timestamp":
            instant = moment.replace(tzinfo=UTC)
            if column.kind == "instant":
                return instant
            zone = ZoneInfo(column.contract.tz or self._zone)
            moment = instant.astimezone(zone).replace(tzinfo=None)
        if column.kind == "datetime":
            return moment
        if column.kind == "date":
            return date(moment.year, moment.month, moment.day)
        return moment.strftime(_format(column))

    def _require_order(self, cursor: Cursor) -> None:
        """Refuse a cursor whose values the database would not order as the contract means it."""
        column = self._column(cursor.column)
        kept_as_text = (
            isinstance(self._found.types[str(column.column.name)], types.String)
            and self._engine.dialect.name != "sqlite"
        )
        fault = None
        if column.contract.type not in {*_DEFAULT_FORMATS, "integer", "bigint"} and (
            column.contract.scale is None
        ):
            fault = "it is neither a date, a time nor a number"
        elif column.contract.is_numeric and kept_as_text:
            fault = "the table keeps these numbers as text, which orders 10 before 9"
        elif column.contract.type in _DEFAULT_FORMATS and column.kind in {"text", "number"}:
            parts = re.findall(r"%(.)", _format(column))
            if parts != list(_PARTS[: len(parts)]) or len(parts) < 3:
                fault = f"times written as {_format(column)} are not ordered as text"
        if fault:
            raise InterfaceMismatch(
                f"Reading the table {self.name} by its cursor {cursor.column} failed: {fault}. "
                "Trying again does not help; choose another cursor or 'mode: full'."
            )


def _format(column: TableColumn) -> str:
    return (column.contract.format or (_DEFAULT_FORMATS[column.contract.type],))[0]


def _before(since: str, cursor: Cursor, type_: str) -> str:
    """The start of the window that ends at `since`, spelt alike; numbers have no look-back."""
    if type_ not in {"DATE", "TIMESTAMP"}:
        return since
    count, unit = cursor.look_back.split()
    span = timedelta(**{unit: int(count)})
    start = datetime.fromisoformat(since) - span
    if type_ == "DATE":
        return start.date().isoformat()
    return start.isoformat(sep=" ")
