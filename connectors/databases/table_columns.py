"""Columns of a partner's table: found as in a header, told as text that the contract's rules read.

The database itself writes each value as text wherever it can, so that nothing passes through types
of ours: numbers keep every digit, instants come in UTC with microseconds, a date that no calendar
has stays what it is and is rejected by the contract.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types

from connectors.contract import Column, Stream
from connectors.databases.database import explained, table_of
from connectors.errors import InterfaceMismatch
from connectors.schema_change import ColumnFinding, Header, missing_columns, resolve_header

_DAY = "%Y-%m-%d"
_MOMENT = "%Y-%m-%d %H:%M:%S.%f"
_BROKEN = "broken_encoding"
_OF_INTERFACE = "ifc_"
_TEXT = Column(type="string")
_WITH_PATTERNS = {"postgresql": "~", "mariadb": "regexp", "mysql": "regexp"}
_ADDING = {"sqlite", *_WITH_PATTERNS}
_PLAIN_NUMBER = "^[+-]?[0-9]+([.][0-9]+)?$"


@dataclass(frozen=True)
class TableColumn:
    """One column of a contract as it stands in a table.

    `kind` is date, datetime (local), instant (with its zone), binary, bit, boolean, number or text.
    `excess` says that the table keeps more decimals than the contract, `is_float` that it keeps
    numbers in binary.
    """

    name: str
    column: sa.ColumnElement[Any]
    kind: str
    contract: Column
    excess: bool = False
    is_float: bool = False

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

    def total(self, backend: str) -> sa.ColumnElement[Any]:
        """SQL of the exact sum of all values that are written as plain numbers.

        For a backend of `_ADDING`.
        """
        if backend == "sqlite":
            # What is no UTF-8 must not fail the whole sum, so texts are handed over as bytes.
            is_text = sa.func.typeof(self.column) == sa.literal_column("'text'")
            value = sa.case((is_text, sa.cast(self.column, sa.LargeBinary)), else_=self.column)
            return sa.func.exact_sum(value)
        if self.kind == "number" and not self.is_float:
            return sa.func.sum(self.column)
        # A float is added up by its digits: as it is kept, ten cents are not ten cents.
        text = self.text(backend)
        exact = sa.Numeric() if backend == "postgresql" else sa.Numeric(65, 30)
        is_number = text.op(_WITH_PATTERNS[backend])(sa.literal_column(f"'{_PLAIN_NUMBER}'"))
        return sa.func.sum(sa.case((is_number, sa.cast(text, exact))))

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
    """A partner's table and those of its columns that are read.

    `columns` are those of the contract in its order (null where the table lacks one), then those of
    `extra`, which land though the contract does not know them: the table's names by ours.
    `findings` are what its columns mean, `types` are theirs by the table's names.
    """

    table: sa.TableClause
    columns: tuple[TableColumn, ...]
    types: Mapping[str, Any]
    extra: Mapping[str, str]
    findings: tuple[ColumnFinding, ...]

    @property
    def name(self) -> str:
        """The table's name with its schema."""
        return self.table.fullname

    def stream_as_told(self, stream: Stream, backend: str) -> Stream:
        """The stream with its columns in the spelling in which their texts come.

        Its control sums are those that the backend can add up: elsewhere one value that is no
        number would fail the whole query.
        """
        known = self.columns[: len(stream.columns)]
        sums = stream.control.sums if backend in _ADDING else ()
        return stream.model_copy(
            update={
                "columns": {column.name: column.typed for column in known},
                "control": stream.control.model_copy(update={"sums": sums}),
            }
        )

    def flaw(self, backend: str) -> sa.ColumnElement[Any]:
        """SQL that says why a row cannot be told as text, else null."""
        blobs = [column.column.is_not(None) for column in self.columns if column.kind == "binary"]
        if not blobs or backend not in {"postgresql", "mariadb", "mysql"}:
            return sa.cast(sa.null(), sa.CHAR)
        # A blob is no text, whatever its bytes spell.
        return sa.case((sa.or_(*blobs), sa.literal_column(f"'{_BROKEN}'")))


def find_table(
    engine: sa.Engine,
    name: str,
    stream: Stream,
    *,
    flags: Sequence[str] = (),
    needed: Collection[str] = (),
) -> PartnerTable:
    """Find a table and its columns, which mean what a header would mean.

    `flags` are the columns of an agreed interface table; without them the table is an ordinary one,
    which belongs to its owner: columns that no contract names are its own matter unless
    `schema_change` asks for them. `needed` are columns of the contract that reading cannot do
    without, beside those that are required and the one that tells the business date. Raises
    InterfaceMismatch with everything that is missing or unknown, SourceUnreachable.
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
    wanted = {own: column.from_ or own for own, column in stream.columns.items()}
    dated = stream.business_date_from
    needed = [*needed, dated] if dated is not None else needed
    missing = [
        *missing_columns(present, stream),
        *(wanted[own] for own in needed if wanted[own] not in present),
        *(flag for flag in flags if flag not in present),
    ]
    if missing:
        raise InterfaceMismatch(
            f"Reading the table {name} failed: it lacks {', '.join(dict.fromkeys(missing))}. "
            "Trying again does not help; the table must have the agreed columns."
        )
    names, header = _header(name, present, stream, is_agreed=bool(flags))
    read = [names[place - 1] for place in (*header.places.values(), *header.extra.values())]
    table = sa.table(
        plain, *(sa.column(one) for one in dict.fromkeys([*read, *flags])), schema=schema
    )
    backend = engine.url.get_backend_name()

    def column_of(own: str, place: int | None, contract: Column) -> TableColumn:
        if place is None:
            return TableColumn(own, sa.null(), "text", contract)
        theirs = names[place - 1]
        type_ = present[theirs]
        return TableColumn(
            own,
            table.c[theirs],
            _kind(type_, backend),
            contract,
            _excess(type_, contract),
            isinstance(type_, types.Float),
        )

    return PartnerTable(
        table,
        (
            *(column_of(own, header.places.get(own), one) for own, one in stream.columns.items()),
            *(column_of(own, place, _TEXT) for own, place in header.extra.items()),
        ),
        present,
        {own: names[place - 1] for own, place in header.extra.items()},
        header.findings,
    )


def _header(
    table: str, present: Mapping[str, Any], stream: Stream, *, is_agreed: bool
) -> tuple[list[str], Header]:
    """The columns of a table that count, and what they mean for the contract of `stream`."""
    wanted = {column.from_ or own for own, column in stream.columns.items()}
    unknown = [
        name
        for name in present
        if name not in wanted and not (is_agreed and name.startswith(_OF_INTERFACE))
    ]
    dropped: tuple[ColumnFinding, ...] = ()
    if stream.schema_change == "freeze" and not is_agreed:
        unknown = []
    elif stream.schema_change == "evolve":
        # Bytes are no text: they cannot land, and their rows are no worse for them.
        blobs = [name for name in unknown if _is_binary(present[name])]
        unknown = [name for name in unknown if name not in blobs]
        discarding = stream.model_copy(update={"schema_change": "discard"})
        dropped = resolve_header([*sorted(wanted & present.keys()), *blobs], discarding).findings
    elif stream.schema_change == "freeze" and unknown:
        raise InterfaceMismatch(
            f"Reading the table {table} failed: it has columns that the contract does not know: "
            f"{', '.join(unknown)}. Trying again does not help; name them in the contract, or let "
            "its 'schema_change' say 'discard' or 'evolve'."
        )
    names = [name for name in present if name in wanted or name in unknown]
    header = resolve_header(names, stream)
    return names, header._replace(findings=(*header.findings, *dropped))


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
    if _is_binary(type_):
        return "binary"
    return "number" if isinstance(type_, types.Numeric | types.Integer) else "text"


def _is_binary(type_: Any) -> bool:
    name = type(type_).__name__.upper()
    return isinstance(type_, types._Binary) or name in {"BYTEA", "BLOB", "RAW"}


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
