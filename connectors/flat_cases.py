"""Cases by a mapping (`shape: cases`): rows of a data set, or records of packets, become cases.

An impossible date (it cannot be parsed, lies outside the plausible window, or before the creation)
becomes null and is named in `date_flag` as `<field>:<reason>`, comma-joined. A row without a usable
case number or created date is rejected. A value that no map knows becomes null and stays as the
attribute `<field>_source`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from connectors.case_mapping import CaseMap, Mapped
from connectors.column_rules import field_text, parsed_time
from connectors.contract import Contract
from connectors.errors import RefusedDelivery
from connectors.formats.delimited import read_delimited
from connectors.local_time import to_utc
from connectors.sql_text import literal, quoted
from connectors.validation import reject_repeated_keys

_STREAM = "cases"
_CODED = ("kind", "channel", "status")
_EVENT_FIELDS = ("created_at", "first_reply_at", "resolved_at", "closed_at")


def locate_mapped_columns(header: Sequence[str], contract: Contract) -> dict[str, int]:
    """Find where each column of the data set stands (from 1).

    Raises RefusedDelivery when a mapped column is missing or a column stands twice.
    """
    names = [name.strip() for name in header]
    if len(set(names)) < len(names):
        raise RefusedDelivery("wrong_header", "a column stands twice in the header", offset=0)
    missing = [name for name in _mapping(contract).columns() if name not in names]
    if missing:
        raise RefusedDelivery(
            "wrong_header", f"the header lacks the mapped columns {', '.join(missing)}", offset=0
        )
    return {name: place for place, name in enumerate(names, 1)}


def type_cases(
    connection: duckdb.DuckDBPyConnection, contract: Contract, places: dict[str, int]
) -> None:
    """Make the table `typed` (as `validation.type_records` does) from `record` by the mapping."""
    mapping = _mapping(contract)
    assert contract.dates is not None and contract.zone is not None
    nulls = contract.layout.nulls
    dates = mapping.dates()

    def text(column: str) -> str:
        return field_text(places[column], nulls)

    texts = {f"text {field}": text(column) for field, column in dates.items()}
    texts["case_no"] = text(mapping.case_no)
    texts["score"] = text(mapping.score) if mapping.score else "cast(null as varchar)"
    texts["text"] = text(mapping.text.column) if mapping.text else "cast(null as varchar)"
    texts["category_path"] = _path([text(column) for column in mapping.category])
    nothing = "cast(null as varchar)"
    texts["org_path"] = _path([text(column) for column in mapping.org]) or nothing
    texts["unit_code"] = text(mapping.unit) if mapping.unit else nothing
    texts["reporter_phone"] = text(mapping.phone) if mapping.phone else nothing
    for field in _CODED:
        texts[field] = _mapped(getattr(mapping, field), places, nulls)
    texts["attributes"] = _attributes(mapping, places, nulls)
    local = {
        f"local {field}": parsed_time(quoted(f"text {field}"), contract.dates.format)
        for field in dates
    }
    parsed = {f"utc {field}": to_utc(quoted(f"local {field}"), contract.zone) for field in dates}
    flags = {f"flag {field}": _flag(field, contract) for field in dates}
    values = {
        f"{field}_at": f"case when {quoted(f'flag {field}')} is null "
        f"then {quoted(f'utc {field}')} end"
        if field in dates
        else "cast(null as timestamp)"
        for field in ("created", "first_reply", "resolved", "closed", "due")
    }
    reasons = ", ".join(
        f"{literal(field + ':')} || {quoted(f'flag {field}')}"
        for field in dates
        if field != "created"
    )
    joined = f"nullif(concat_ws(',', {reasons}), '')" if reasons else "cast(null as varchar)"
    created = literal(mapping.created)
    required = "".join(_required(field, getattr(mapping, field), places, nulls) for field in _CODED)
    connection.execute(
        f"""
        create or replace table typed as
        with texts as (
            select record_no, line, byte_offset, byte_length, op, fields, flaw, {_select(texts)}
            from record
        ),
        locals as (select *, {_select(local)} from texts),
        parsed as (select *, {_select(parsed)} from locals),
        flagged as (select *, {_select(flags)} from parsed)
        select
            record_no as _record_no, line as _line, byte_offset as _offset,
            byte_length as _length, op as _op,
            case_no,
            {values["created_at"]} as created_at,
            {literal(contract.dates.precision)} as created_precision,
            {values["first_reply_at"]} as first_reply_at,
            {values["resolved_at"]} as resolved_at,
            {values["closed_at"]} as closed_at,
            {values["due_at"]} as due_at,
            kind, category_path, channel, org_path, unit_code, reporter_phone, status,
            case when regexp_full_match(score, '-?[0-9]+') then try_cast(score as integer) end
                as score,
            "text", attributes, {joined} as date_flag,
            case
                when flaw is not null then '|' || flaw
                when len(fields) <> {len(places)} then '|wrong_field_count'
                when case_no is null then {literal(mapping.case_no + "|missing_value")}
                when op = 'D' then null
                when "text created" is null then {created} || '|missing_value'
                when "flag created" is not null then {created} || '|' || "flag created"
                {required}
            end as _fault
        from flagged
        """
    )
    if contract.streams[_STREAM].mode == "changes":
        return
    reject_repeated_keys(connection, ["case_no"])
    connection.execute(
        f"update typed set _fault = {literal(mapping.case_no + '|duplicate_key')} "
        "where _fault = 'case_no|duplicate_key'"
    )


def latest_event_at(path: Path, contract: Contract) -> datetime | None:
    """Find the latest plausible event in a flat data set: an aware instant in UTC.

    Looks at created, first reply, resolved and closed of the rows that would land, not at due
    times. None when no row would land. Raises RefusedDelivery for an unreadable file.
    """
    with duckdb.connect() as connection:
        reading = read_delimited(path, contract.layout, connection)
        type_cases(connection, contract, locate_mapped_columns(reading.header or (), contract))
        row = connection.execute(
            f"select greatest({', '.join(f'max({field})' for field in _EVENT_FIELDS)}) "
            "from typed where _fault is null"
        ).fetchone()
    return None if row is None or row[0] is None else row[0].replace(tzinfo=UTC)


def _mapping(contract: Contract) -> CaseMap:
    assert contract.map is not None, "the loader checks that shape 'cases' has a map"
    return contract.map


def _select(expressions: dict[str, str]) -> str:
    return ", ".join(f"{sql} as {quoted(name)}" for name, sql in expressions.items())


def _flag(field: str, contract: Contract) -> str:
    assert contract.dates is not None
    text, local = quoted(f"text {field}"), quoted(f"local {field}")
    window = contract.dates.plausible
    branches = [
        f"when {text} is null then null",
        f"when {local} is null then 'unparsable'",
        f"when cast({local} as date) not between date '{window.first}' and date '{window.last}' "
        "then 'out_of_window'",
    ]
    if field != "created":
        branches.append(
            f"when {quoted(f'utc {field}')} < {quoted('utc created')} then 'before_created'"
        )
    return f"case {' '.join(branches)} end"


def _path(texts: Sequence[str]) -> str:
    """SQL of names joined by '/', ending at the first null; a '/' inside a name becomes '-'."""
    joined = ""
    for text in reversed(texts):
        name = f"replace(trim({text}), '/', '-')"
        joined = f"{name} || coalesce('/' || {joined}, '')" if joined else name
    return joined


def _mapped(mapped: Mapped | None, places: dict[str, int], nulls: Sequence[str]) -> str:
    if mapped is None:
        return "cast(null as varchar)"
    if mapped.column is None:
        return literal(mapped.constant or "")
    text = field_text(places[mapped.column], nulls)
    branches = " ".join(
        f"when {literal(value)} then {literal(target)}" for value, target in mapped.values.items()
    )
    default = "null" if mapped.default is None else literal(mapped.default)
    return f"case trim({text}) {branches} else {default} end" if branches else default


def _required(
    field: str, mapped: Mapped | None, places: dict[str, int], nulls: Sequence[str]
) -> str:
    """SQL branches of what rejects a row that lacks a required code, or whose map lacks it."""
    if mapped is None or mapped.column is None or not mapped.required:
        return ""
    text, column = field_text(places[mapped.column], nulls), literal(mapped.column)
    return (
        f" when {text} is null then {column} || '|missing_value'"
        f" when {quoted(field)} is null then {column} || '|value_not_allowed'"
    )


def _attributes(mapping: CaseMap, places: dict[str, int], nulls: Sequence[str]) -> str:
    """SQL of a JSON object of what no part of the mapping takes over, without nulls."""
    entries: list[tuple[str, str]] = []
    used = set(mapping.columns()) | set(mapping.drop)
    for name, place in places.items():
        text = field_text(place, nulls)
        if name not in used and (mapping.attributes is None or name in mapping.attributes):
            entries.append((name, text))
        elif name in (*mapping.category, *mapping.org):
            # The path spells this name differently, so the original is kept beside it.
            entries.append((name, f"case when contains({text}, '/') then {text} end"))
    for field in _CODED:
        mapped: Mapped | None = getattr(mapping, field)
        if mapped is not None and mapped.column is not None and mapped.default is None:
            text = field_text(places[mapped.column], nulls)
            known = ", ".join(literal(value) for value in mapped.values) or "''"
            entries.append(
                (f"{field}_source", f"case when trim({text}) not in ({known}) then {text} end")
            )
    if not entries:
        return "'{}'"
    pairs = ", ".join(f"{{'k': {literal(name)}, 'v': {sql}}}" for name, sql in entries)
    return (
        f"cast(to_json(map_from_entries(list_filter([{pairs}], lambda e: e.v is not null))) "
        "as varchar)"
    )
