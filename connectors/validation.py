"""Validation by contract: set-based, from the texts in `record` to the typed table `typed`.

`typed` has the contract's columns in their types and _record_no, _line, _offset, _length, _op and
_fault: null for a good record, otherwise `<column>|<reason>` of the first rule that is broken, in
the order of the contract's columns. Nothing is rounded, cut or guessed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

import duckdb

from connectors.column_rules import ColumnRules, field_text
from connectors.contract import Stream
from connectors.local_time import local_date
from connectors.sql_text import literal, quoted

__all__ = [
    "FIRST_REJECTED",
    "MOST_REJECTED",
    "Rejected",
    "count_rejected",
    "count_sums",
    "field_text",
    "literal",
    "local_date",
    "mask",
    "quoted",
    "reject_repeated_keys",
    "rejected_records",
    "structure_faults",
    "type_records",
]

MOST_REJECTED = 200_000
"""A batch with more rejected records is refused whatever its contract allows: each is kept apart
for replay, and memory must not grow with a delivery that is wrong throughout."""

FIRST_REJECTED = 1_000
"""So many rejected records of a refused batch are listed; its counts tell of the others."""

NO_COLUMNS: Mapping[str, int] = MappingProxyType({})
_CARRIED = {
    "record_no": "_record_no",
    "line": "_line",
    "byte_offset": "_offset",
    "byte_length": "_length",
    "op": "_op",
}


@dataclass(frozen=True)
class Rejected:
    """One rejected record; `line` is the sequence number in a flag table."""

    record_no: int
    line: int | None
    byte_offset: int | None
    byte_length: int | None
    column: str | None
    reason: str
    masked_value: str | None


def type_records(
    connection: duckdb.DuckDBPyConnection,
    stream: Stream,
    places: Mapping[str, int],
    *,
    width: int,
    nulls: Iterable[str],
    zone: str,
    decimal_mark: str = ".",
    extra: Mapping[str, int] = NO_COLUMNS,
) -> None:
    """Make the table `typed` from `record` by the rules of `stream`.

    `places` says where each column stands, `width` how many fields a record has, `zone` in which
    time zone timestamps are meant whose column states none. Columns of `extra` come behind those of
    the contract, as texts.
    """
    texts = {name: field_text(places.get(name), nulls) for name in stream.columns}
    texts |= {name: field_text(place, nulls) for name, place in extra.items()}
    typed = ColumnRules(stream, zone, decimal_mark).select(
        "record",
        texts,
        carried=[f"{name} as {shown}" for name, shown in _CARRIED.items()],
        structure=structure_faults(width),
    )
    connection.execute(f"create or replace table typed as {typed}")
    if stream.mode != "changes":
        reject_repeated_keys(connection, stream.key)


def reject_repeated_keys(connection: duckdb.DuckDBPyConnection, key: Sequence[str]) -> None:
    """Among good records of `typed`, reject each whose key has already been seen."""
    names = ", ".join(quoted(name) for name in key)
    connection.execute(
        f"""
        update typed set _fault = {literal(key[0] + "|duplicate_key")}
        where _record_no in (
            select _record_no from typed where _fault is null
            qualify row_number() over (partition by {names} order by _record_no) > 1
        )
        """
    )


def structure_faults(width: int) -> list[str]:
    """SQL branches of what is wrong with a record before its values are looked at."""
    return [
        "when flaw is not null then '|' || flaw",
        f"when len(fields) <> {width} then '|wrong_field_count'",
    ]


def count_rejected(connection: duckdb.DuckDBPyConnection) -> int:
    """Count the rejected records of `typed`."""
    row = connection.execute("select count(*) from typed where _fault is not null").fetchone()
    assert row is not None
    return int(row[0])


def rejected_records(
    connection: duckdb.DuckDBPyConnection, places: Mapping[str, int], most: int | None = None
) -> list[Rejected]:
    """List the rejected records of `typed` with their places and masked values, or the first.

    With `most`, no more than so many are listed.
    """
    limit = "" if most is None else f" limit {most}"
    rows = connection.execute(
        "select t._record_no, t._line, t._offset, t._length, t._fault, r.fields from ("
        f"select * from typed where _fault is not null order by _record_no{limit}"
        ") t join record r on r.record_no = t._record_no order by t._record_no"
    ).fetchall()
    found = []
    for number, line, offset, length, fault, texts in rows:
        column, _, reason = fault.rpartition("|")
        place = places.get(column)
        value = texts[place - 1] if place and texts and place <= len(texts) else None
        masked = None if value is None else mask(value)
        found.append(Rejected(number, line, offset, length, column or None, reason, masked))
    return found


def count_sums(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str]
) -> tuple[dict[str, str], bool]:
    """Add up control columns over all records; say whether every record's value was readable."""
    sums: dict[str, str] = {}
    complete = True
    for name in names:
        row = connection.execute(
            f"select coalesce(sum({quoted(name)}), 0), "
            f"count(*) filter (where {quoted(name)} is null and _fault is not null) from typed"
        ).fetchone()
        assert row is not None
        sums[name] = format(Decimal(row[0]), "f")
        complete = complete and row[1] == 0
    return sums, complete


def mask(value: str) -> str:
    """Show the shape of a value and nothing of its content: `A1-王` becomes `x9-x`, cut at 32."""
    kinds = {"L": "x", "N": "9", "M": "x", "C": "?"}
    shape = "".join(kinds.get(unicodedata.category(one)[0], one) for one in value[:32])
    return shape + ("…" if len(value) > 32 else "")
