"""The rules of a contract's columns as SQL: from texts to typed values and to the first fault.

Everything that types records uses these formulas, whatever way the texts came, so that the same
record gets the same values and the same fault everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from connectors.contract import Column, Stream
from connectors.local_time import to_utc
from connectors.sql_text import literal, quoted

_DEFAULT_FORMATS = {"date": ("%Y-%m-%d",), "timestamp": ("%Y-%m-%d %H:%M:%S",)}
_NUMBER_REASONS = {"integer": "not_an_integer", "bigint": "not_an_integer"}


@dataclass(frozen=True)
class ColumnRules:
    """The rules of one stream; `zone` is meant where a column states no time zone."""

    stream: Stream
    zone: str
    decimal_mark: str = "."

    def select(
        self,
        source: str,
        texts: Mapping[str, str],
        *,
        carried: Sequence[str] = (),
        structure: Sequence[str] = (),
        left_out: Iterable[str] = (),
        more: Sequence[str] = (),
        op: str = "op",
    ) -> str:
        """SQL of the typed records of the relation `source`.

        `texts` says in SQL where the text of each column stands (empty texts and spellings of null
        already null), further names are carried over as texts. `carried` are columns of `source`
        taken as they are, `structure` SQL branches of faults that go before the contract's,
        `left_out` columns whose values the caller has already, `more` formulas over values (by
        `value_of`).
        """
        columns = self.stream.columns
        first = [f"{text} as {quoted('text ' + name)}" for name, text in texts.items()]
        read, local = [], []
        for name, column in columns.items():
            for place, pattern in _locals(name, column).items():
                text, moment = quoted("text " + name), quoted("read " + place)
                read.append(f"{parsed_time(text, pattern)} as {moment}")
                local.append(f"{no_word(text, moment)} as {quoted(place)}")
        typed = [
            f"{self._value(name, column)} as {value_of(name)}"
            for name, column in columns.items()
            if column.type != "string"
        ]
        typed += [f"{quoted('text ' + name)} as {value_of(name)}" for name in self._texts(texts)]
        faults = list(structure)
        for name, column in columns.items():
            faults.extend(_rules(name, column, op=op, is_key=name in self.stream.key))
        skipped = set(left_out)
        shown = [f"{value_of(name)} as {quoted(name)}" for name in texts if name not in skipped]
        fault = f"case {' '.join(faults)} end" if faults else "cast(null as varchar)"
        return (
            f"with texts as (select *, {', '.join(first)} from {source}), "
            f"moments as (select {', '.join(['*', *read])} from texts), "
            f"locals as (select {', '.join(['*', *local])} from moments), "
            f"parsed as (select {', '.join(['*', *typed])} from locals) "
            f"select {', '.join([*carried, *shown, *more, f'{fault} as _fault'])} from parsed"
        )

    def _texts(self, names: Iterable[str]) -> list[str]:
        columns = self.stream.columns
        return [name for name in names if name not in columns or columns[name].type == "string"]

    def _value(self, name: str, column: Column) -> str:
        text = quoted("text " + name)
        if column.type == "boolean":
            return (
                f"case when lower({text}) in ('1', 'true') then true "
                f"when lower({text}) in ('0', 'false') then false end"
            )
        if column.type in _DEFAULT_FORMATS:
            value = f"coalesce({', '.join(map(quoted, _locals(name, column)))})"
            if len(_formats(column)) > 1:
                value = f"case when not ({_ambiguous(name, column)}) then {value} end"
            if column.type == "date":
                return f"cast({value} as date)"
            if len(_formats(column)) == 1:
                value = quoted(f"local {name} 1")
            if all("%z" in pattern for pattern in _formats(column)):
                # A time that states its offset is an instant already.
                return f"timezone('UTC', {value})"
            return to_utc(value, column.tz or self.zone)
        # A pattern decides before the cast, which would round and take exponents.
        mark = re.escape(self.decimal_mark)
        decimals = f"({mark}[0-9]{{1,{column.scale}}})?" if column.scale else ""
        number = text
        if column.scale and self.decimal_mark != ".":
            number = f"replace({text}, {literal(self.decimal_mark)}, '.')"
        return (
            f"case when regexp_full_match({text}, {literal(f'[+-]?[0-9]+{decimals}')}) "
            f"then try_cast({number} as {column.duckdb_type}) end"
        )


def value_of(name: str) -> str:
    """SQL of a column's typed value, for formulas; no name of a source's column collides."""
    return quoted("value " + name)


def field_text(place: int | None, nulls: Iterable[str]) -> str:
    """SQL of a field's text by its place (from 1); empty and null spellings become null."""
    if place is None:
        return "cast(null as varchar)"
    spellings = ", ".join(literal(text) for text in ["", *nulls])
    return f"case when fields[{place}] not in ({spellings}) then fields[{place}] end"


def parsed_time(text: str, pattern: str) -> str:
    """SQL that reads a date or time by a strptime pattern; null where it does not fit."""
    return f"try_strptime({text}, {literal(pattern)})"


def no_word(text: str, parsed: str) -> str:
    """SQL that refuses the words infinity and epoch, which `parsed_time` reads as 1900-01-01."""
    return (
        f"case when {parsed} = timestamp '1900-01-01' and "
        f"({text} ilike '%infinity%' or {text} ilike '%epoch%') then null else {parsed} end"
    )


def _formats(column: Column) -> tuple[str, ...]:
    return column.format or _DEFAULT_FORMATS[column.type]


def _locals(name: str, column: Column) -> dict[str, str]:
    """The pattern of each format of a column of dates or times, by the name of what it reads."""
    if column.type not in _DEFAULT_FORMATS:
        return {}
    return {f"local {name} {number}": pattern for number, pattern in enumerate(_formats(column), 1)}


def _ambiguous(name: str, column: Column) -> str:
    values = ", ".join(map(quoted, _locals(name, column)))
    return f"coalesce(least({values}) <> greatest({values}), false)"


def _rules(name: str, column: Column, *, op: str, is_key: bool) -> list[str]:
    """SQL `when` branches, one per rule; a tombstone needs its key and nothing else."""
    text, value = quoted("text " + name), value_of(name)

    def when(condition: str, reason: str) -> str:
        guard = "" if is_key or not op else f" and {op} <> 'D'"
        return f"when {condition}{guard} then {literal(f'{name}|{reason}')}"

    rules = []
    if column.required or is_key:
        rules.append(when(f"{text} is null", "missing_value"))
    if column.type in _DEFAULT_FORMATS and len(_formats(column)) > 1:
        rules.append(when(_ambiguous(name, column), "ambiguous_date"))
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
        # A text has at most as many characters as bytes, and bytes are counted already.
        rules.append(
            when(
                f"(strlen({text}) > {column.length} and length({text}) > {column.length})",
                "too_long",
            )
        )
    return rules
