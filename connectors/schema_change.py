"""Columns that come and go: what a header means under the contract's `schema_change`.

`evolve` lands a column that the contract does not know as text under `new_<name>`, so that it never
changes the type of a column that the contract names later; `discard` leaves it out and says so,
`freeze` refuses the delivery. A column that is required, or part of the key, must always be there;
another may be missing unless the contract is frozen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from connectors.contract import TECHNICAL_COLUMNS, Stream
from connectors.errors import RefusedDelivery
from connectors.scrubbing import scrub

_PLAIN = re.compile(r"[^\W\d_]\w{0,62}")
_LONG_NUMBER = re.compile(r"\d{5}")


@dataclass(frozen=True)
class ColumnFinding:
    """What is told of a header: `code` is new_column or dropped_column, `detail` names it."""

    code: str
    detail: str


class Header(NamedTuple):
    """Where each contract column stands (from 1), the extra columns that land, what to tell."""

    places: dict[str, int]
    extra: dict[str, int]
    findings: tuple[ColumnFinding, ...]


def resolve_header(header: Sequence[str] | None, stream: Stream) -> Header:
    """Find the columns of `stream` in a header; None means that the file has none.

    Raises RefusedDelivery (`wrong_header`) naming every missing column of the contract, repeated
    ones, and how many are unknown where the contract is frozen. Never tells a text of the header
    that does not look like a column's name: a file without its header has a person there.
    """
    if header is None:
        return Header({name: place for place, name in enumerate(stream.columns, 1)}, {}, ())
    names = [name.strip() for name in header]
    missing = missing_columns(names, stream)
    wanted = {column.from_ or name: name for name, column in stream.columns.items()}
    places = {wanted[name]: place for place, name in enumerate(names, 1) if name in wanted}
    unknown = {place: name for place, name in enumerate(names, 1) if name not in wanted}
    frozen = stream.schema_change == "freeze"
    faults = []
    if len(set(names)) < len(names):
        faults.append("a column stands twice in the header")
    if missing:
        faults.append(f"the header lacks the columns {', '.join(missing)}")
    if unknown and frozen:
        faults.append(f"the header has {len(unknown)} columns that the contract does not know")
    if faults:
        raise RefusedDelivery("wrong_header", "; ".join(faults), offset=0)
    extra = _named(unknown, stream)
    if stream.schema_change == "discard":
        dropped = [name.removeprefix("new_") for name in extra]
        told = tuple(ColumnFinding("dropped_column", f"column {name}") for name in dropped)
        return Header(places, {}, told)
    told = tuple(ColumnFinding("new_column", f"it landed as {name}") for name in extra)
    return Header(places, extra, told)


def missing_columns(names: Collection[str], stream: Stream) -> list[str]:
    """What a delivery calls the columns of `stream` that must be among `names` and are not."""
    frozen = stream.schema_change == "freeze"
    return [
        column.from_ or name
        for name, column in stream.columns.items()
        if (frozen or column.required or name in stream.key) and (column.from_ or name) not in names
    ]


def _named(unknown: dict[int, str], stream: Stream) -> dict[str, int]:
    """The names under which unknown columns land, each once whatever its case."""
    taken = {name.casefold() for name in (*stream.columns, *TECHNICAL_COLUMNS)}
    named: dict[str, int] = {}
    for place, name in unknown.items():
        tellable = _PLAIN.fullmatch(name) and scrub(name) == name and not _LONG_NUMBER.search(name)
        key = f"new_{name.lower()}" if tellable else f"new_column_{place}"
        if key.casefold() in taken:
            key = f"new_column_{place}"
        while key.casefold() in taken:
            key += "_"
        taken.add(key.casefold())
        named[key] = place
    return named
