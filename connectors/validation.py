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

import duckdb

from connectors.contract import Column, Stream
from connectors.errors import RefusedDelivery

_DEFAULT_FORMATS = {"date": "%Y-%m-%d", "timestamp": "%Y-%m-%d %H:%M:%S"}
_NUMBER_REASONS = {"integer": "not_an_integer", "bigint": "not_an_integer"}


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


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Quote a text for SQL."""
    return "'" + value.replace("'", "''") + "'"


def locate_columns(header: Sequence[str] | None, stream: Stream) -> dict[str, int]:
    """Find where each contract column stands in the file (from 1).

    Raises RefusedDelivery when the header lacks a column, repeats one, or has an unknown one while
    the contract says `schema_change: freeze`.
    """
    names = list(stream.columns)
    if header is None:
        return {name: place for place, name in enumerate(names, 1)}
    found = {name.strip(): place for place, name in enumerate(header, 1)}
    missing = [
        name
        for name, column in stream.columns.items()
        if name not in found and (column.required or stream.schema_change == "freeze")
    ]
    unknown = [name for name in found if name not in stream.columns]
    if len(found) < len(header):
        raise RefusedDelivery("wrong_header", "a column stands twice in the header", offset=0)
    if missing:
        raise RefusedDelivery(
            "wrong_header", f"the header lacks the columns {', '.join(missing)}", offset=0
        )
    if unknown and stream.schema_change == "freeze":
        reason = f"the header has {len(unknown)} columns that the contract does not know"
        raise RefusedDelivery("wrong_header", reason, offset=0)
    return {name: place for name, place in found.items() if name in stream.columns}


def field_text(place: int | None, nulls: Iterable[str]) -> str:
    """SQL of a field's text by its place (from 1); empty and null spellings become null."""
    if place is None:
        return "cast(null as varchar)"
    spellings = ", ".join(literal(text) for text in ["", *nulls])
    return f"case when fields[{place}] not in ({spellings}) then fields[{place}] end"


def to_utc(text: str, pattern: str, zone: str) -> str:
    """SQL that parses a local instant by a strptime pattern into a naive UTC timestamp."""
    local = f"try_strptime({text}, {literal(pattern)})"
    return f"timezone('UTC', timezone({literal(zone)}, {local}))"


def local_date(instant: str, zone: str) -> str:
    """SQL of the local date of a naive UTC timestamp."""
    return f"cast(timezone({literal(zone)}, timezone('UTC', {instant})) as date)"


def type_records(
    connection: duckdb.DuckDBPyConnection,
    stream: Stream,
    places: Mapping[str, int],
    *,
    width: int,
    nulls: Iterable[str],
    zone: str,
) -> None:
    """Make the table `typed` from `record` by the rules of `stream`.

    `places` says where each column stands, `width` how many fields a record has, `zone` in which
    time zone timestamps are meant whose column states none.
    """
    texts = [
        f"{field_text(places.get(name), nulls)} as {quoted('text ' + name)}"
        for name in stream.columns
    ]
    typed = [
        f"{_cast(quoted('text ' + name), column, zone)} as {quoted(name)}"
        for name, column in stream.columns.items()
    ]
    faults = [
        "when flaw is not null then '|' || flaw",
        f"when len(fields) <> {width} then '|wrong_field_count'",
    ]
    for name, column in stream.columns.items():
        faults.extend(_rules(name, column, is_key=name in stream.key))
    columns = ", ".join(quoted(name) for name in stream.columns)
    connection.execute(
        f"""
        create or replace table typed as
        with texts as (
            select record_no, line, byte_offset, byte_length, op, fields, flaw, {", ".join(texts)}
            from record
        ),
        parsed as (select *, {", ".join(typed)} from texts)
        select
            record_no as _record_no, line as _line, byte_offset as _offset,
            byte_length as _length, op as _op, {columns}, case {" ".join(faults)} end as _fault
        from parsed
        """
    )
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


def _cast(text: str, column: Column, zone: str) -> str:
    if column.type == "string":
        return text
    if column.type == "boolean":
        return (
            f"case when lower({text}) in ('1', 'true') then true "
            f"when lower({text}) in ('0', 'false') then false end"
        )
    if column.type == "date":
        pattern = (column.format or (_DEFAULT_FORMATS["date"],))[0]
        return f"cast(try_strptime({text}, {literal(pattern)}) as date)"
    if column.type == "timestamp":
        return to_utc(
            text, (column.format or (_DEFAULT_FORMATS["timestamp"],))[0], column.tz or zone
        )
    # A pattern decides before the cast, which would round and take exponents.
    decimals = f"(\\.[0-9]{{1,{column.scale}}})?" if column.scale else ""
    shape = literal(f"[+-]?[0-9]+{decimals}")
    return (
        f"case when regexp_full_match({text}, {shape}) "
        f"then try_cast({text} as {column.duckdb_type}) end"
    )


def _rules(name: str, column: Column, *, is_key: bool) -> list[str]:
    """SQL `when` branches, one per rule; a tombstone needs its key and nothing else."""
    text, value = quoted("text " + name), quoted(name)

    def when(condition: str, reason: str) -> str:
        guard = "" if is_key else " and op <> 'D'"
        return f"when {condition}{guard} then {literal(f'{name}|{reason}')}"

    rules = []
    if column.required or is_key:
        rules.append(when(f"{text} is null", "missing_value"))
    if column.type != "string":
        reason = "not_a_decimal" if column.scale is not None else f"not_a_{column.type}"
        reason = _NUMBER_REASONS.get(column.type, reason)
        rules.append(when(f"({text} is not null and {value} is null)", reason))
    if column.min is not None:
        rules.append(when(f"{value} < {column.min}", "below_minimum"))
    if column.max is not None:
        rules.append(when(f"{value} > {column.max}", "above_maximum"))
    if column.values is not None:
        allowed = ", ".join(literal(item) for item in column.values)
        rules.append(when(f"{text} not in ({allowed})", "value_not_allowed"))
    if column.length is not None:
        rules.append(when(f"length({text}) > {column.length}", "too_long"))
    return rules


def rejected_records(
    connection: duckdb.DuckDBPyConnection, places: Mapping[str, int]
) -> list[Rejected]:
    """List the rejected records of `typed` with their places and masked values."""
    rows = connection.execute(
        "select t._record_no, t._line, t._offset, t._length, t._fault, r.fields "
        "from typed t join record r on r.record_no = t._record_no "
        "where t._fault is not null order by t._record_no"
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
