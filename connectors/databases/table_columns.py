"""Columns of a partner's table: found by name, and told as text that the contract's rules read.

The database itself writes each value as text wherever it can, so that nothing passes through types
of ours: numbers keep every digit, instants come in UTC with microseconds, a date that no calendar
has stays what it is and is rejected by the contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types

from connectors.contract import Column, Stream
from connectors.databases.database import explained, table_of
from connectors.errors import InterfaceMismatch

_DAY = "%Y-%m-%d"
_MOMENT = "%Y-%m-%d %H:%M:%S.%f"
_BROKEN = "broken_encoding"


@dataclass(frozen=True)
class TableColumn:
    """One column of a contract as it stands in a table.

    `kind` is date, datetime (local), instant (with its zone), binary, bit, boolean, number or text.
    `excess` says that the table keeps more decimals than the contract.
    """

    name: str
    column: sa.ColumnElement[Any]
    kind: str
    contract: Column
    excess: bool = False

    def text(self, backend: str) -> sa.ColumnElement[Any]:
        """SQL of the value as text; of what the backend cannot write itself, the value."""
        if backend == "postgresql":
            return self._postgresql_text()
        if backend in {"mariadb", "mysql"}:
            return self._mariadb_text()
        return self.column

    def _postgresql_text(self) -> sa.ColumnElement[Any]:
        plain = sa.cast(self.column, sa.Text)
        if self.kind in {"datetime", "instant"} and self.contract.type != "string":
            # Years before Christ and infinity have no spelling of their own in to_char.
            first: sa.ColumnElement[Any] = sa.literal_column("'0001-01-01'")
            last: sa.ColumnElement[Any] = sa.literal_column("'9999-12-31 23:59:59.999999'")
            told = sa.func.to_char(self.column, sa.literal_column("'YYYY-MM-DD HH24:MI:SS.US'"))
            return sa.case((self.column.between(first, last), told), else_=plain)
        if self.kind == "boolean" and self.contract.is_numeric:
            return sa.cast(sa.cast(self.column, sa.Integer), sa.Text)
        if self.excess:
            return sa.cast(sa.func.trim_scale(self.column), sa.Text)
        return plain

    def _mariadb_text(self) -> sa.ColumnElement[Any]:
        plain = sa.cast(self.column + 0 if self.kind == "bit" else self.column, sa.CHAR)
        if self.kind in {"datetime", "instant"} and self.contract.type != "string":
            moment: sa.ColumnElement[Any] = sa.literal_column("'%Y-%m-%d %H:%i:%s.%f'")
            return sa.func.date_format(self.column, moment)
        if self.excess:
            # Zeros behind the point say nothing; the point itself goes with the last of them.
            zeros = sa.func.regexp_replace(plain, sa.literal_column("'[.]?0+$'"), sa.literal(""))
            return sa.case((plain.like("%.%"), zeros), else_=plain)
        return plain

    @property
    def typed(self) -> Column:
        """The contract's column with the spelling in which the text comes."""
        if self.kind == "date" and self.contract.type in {"date", "timestamp"}:
            return self.contract.model_copy(update={"format": (_DAY,)})
        if self.kind in {"datetime", "instant"}:
            if self.contract.type == "timestamp":
                zone = "UTC" if self.kind == "instant" else self.contract.tz
                return self.contract.model_copy(update={"format": (_MOMENT,), "tz": zone})
            if self.contract.type == "date":
                # A time of day is not cut off: it rejects the row.
                return self.contract.model_copy(update={"format": (f"{_DAY} 00:00:00.000000",)})
        return self.contract


@dataclass(frozen=True)
class PartnerTable:
    """A partner's table and those of its columns that a contract or an interface names."""

    table: sa.TableClause
    columns: tuple[TableColumn, ...]
    types: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The table's name with its schema."""
        return self.table.fullname

    def stream_as_told(self, stream: Stream) -> Stream:
        """The stream with its columns in the spelling in which their texts come."""
        return stream.model_copy(
            update={"columns": {column.name: column.typed for column in self.columns}}
        )

    def flaw(self, backend: str) -> sa.ColumnElement[Any]:
        """SQL that says why a row cannot be told as text, else null."""
        blobs = [column.column.is_not(None) for column in self.columns if column.kind == "binary"]
        if not blobs or backend not in {"postgresql", "mariadb", "mysql"}:
            return sa.cast(sa.null(), sa.CHAR)
        # A blob is no text, whatever its bytes spell.
        return sa.case((sa.or_(*blobs), sa.literal_column(f"'{_BROKEN}'")))


def find_table(
    engine: sa.Engine, name: str, columns: Mapping[str, Column], extra: Sequence[str] = ()
) -> PartnerTable:
    """Find a table and its columns; `extra` are names beside those of the contract.

    Raises InterfaceMismatch with everything that is missing, SourceUnreachable.
    """
    schema, plain = table_of(name)
    with explained("Looking at the tables of", engine):
        inspector = sa.inspect(engine)
        exists = inspector.has_table(plain, schema=schema) or plain in inspector.get_view_names(
            schema=schema
        )
        found = inspector.get_columns(plain, schema=schema) if exists else []
    if not exists:
        raise InterfaceMismatch(
            f"Reading the table {name} failed: it does not exist or may not be seen. Trying again "
            "does not help; the source system must create it and grant the right to read it."
        )
    present = {column["name"]: column["type"] for column in found}
    wanted = [*(column.from_ or own for own, column in columns.items()), *extra]
    missing = [one for one in wanted if one not in present]
    if missing:
        raise InterfaceMismatch(
            f"Reading the table {name} failed: it lacks {', '.join(missing)}. Trying again does "
            "not help; the table must have the agreed columns."
        )
    table = sa.table(plain, *(sa.column(one) for one in dict.fromkeys(wanted)), schema=schema)
    backend = engine.url.get_backend_name()
    return PartnerTable(
        table,
        tuple(
            TableColumn(
                own,
                table.c[column.from_ or own],
                _kind(present[column.from_ or own], backend),
                column,
                _excess(present[column.from_ or own], column),
            )
            for own, column in columns.items()
        ),
        present,
    )


def _kind(type_: Any, backend: str) -> str:
    if backend == "sqlite":
        # A column of SQLite holds what was put there, whatever it was declared as.
        return "text"
    if isinstance(type_, types.DateTime):
        zoned = bool(getattr(type_, "timezone", False))
        return "instant" if zoned or _is_mariadb_timestamp(type_, backend) else "datetime"
    if isinstance(type_, types.Date):
        return "date"
    if isinstance(type_, types.Boolean):
        return "boolean"
    name = type(type_).__name__.upper()
    if name == "BIT" and backend in {"mariadb", "mysql"}:
        return "bit"
    if isinstance(type_, types._Binary) or name in {"BYTEA", "BLOB", "RAW"}:
        return "binary"
    return "number" if isinstance(type_, types.Numeric | types.Integer) else "text"


def _is_mariadb_timestamp(type_: Any, backend: str) -> bool:
    return backend in {"mariadb", "mysql"} and isinstance(type_, types.TIMESTAMP)


def _excess(type_: Any, column: Column) -> bool:
    if not column.is_numeric or not isinstance(type_, types.Numeric):
        return False
    if isinstance(type_, types.Float):
        return False
    return type_.scale is None or type_.scale > (column.scale or 0)


def value_text(value: Any) -> str | None:
    """A value as a driver returns it, as text; halves of characters stand for what is none."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | memoryview):
        return "\udcff"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        told = value if value.tzinfo is None else value.astimezone(UTC)
        return told.strftime(_MOMENT).rjust(len("2026-03-31 00:00:00.000000"), "0")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)
