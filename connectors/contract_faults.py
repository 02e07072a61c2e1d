"""Faults of a contract that lie between its fields."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from connectors.places.place import carries_password, credential_name
from cubes.declaration import suggest

if TYPE_CHECKING:
    from connectors.contract import Column, Contract, Stream

_NEEDS_LAYOUT = {"delimited", "fixed_width", "spreadsheet"}
_DATED = {"date", "timestamp"}
_FEWEST_DAYS_KEPT = 35


@cache
def _zones() -> frozenset[str]:
    """The known time zones: looking them up walks the whole folder of zones, 20 ms each time."""
    return frozenset(available_timezones())


def cross_faults(contract: Contract) -> Iterator[tuple[list[str], str]]:
    """Faults that need more than one field: yields (location, message)."""
    if contract.zone is not None and contract.zone not in _zones():
        yield ["zone"], f"unknown time zone '{contract.zone}'"
    yield from _interface_faults(contract)
    if contract.shape == "cases":
        yield from _case_faults(contract)
        return
    for key in ("dates", "map"):
        if getattr(contract, key) is not None:
            yield [key], "belongs only to a contract of 'shape: cases'"
    for name, stream in contract.streams.items():
        yield from _stream_faults(["streams", name], stream)
        yield from _interface_stream_faults(["streams", name], stream, contract)


def _interface_faults(contract: Contract) -> Iterator[tuple[list[str], str]]:
    interface, layout = contract.interface, contract.file
    if carries_password(interface.location):
        name = credential_name(contract.source, "PASSWORD")
        yield ["interface", "location"], f"carries a password; keep it as the secret {name}"
    if interface.keep_archive is not None and (
        interface.type != "files" or interface.format == "mail"
    ):
        # A mail that comes again is known by the archive.
        yield ["interface", "keep_archive"], "belongs only to files with logs"
    if interface.type != "files":
        if interface.format is not None:
            yield ["interface", "format"], "belongs only to a file interface"
        return
    if interface.format is None:
        yield ["interface"], "a file interface needs 'format', such as 'delimited'"
    if interface.format in _NEEDS_LAYOUT and layout is None:
        yield ["interface"], "a file interface needs 'file' with delimiter, encoding and quote"
    if interface.format == "national_centre" and layout is not None:
        yield ["file"], "the national centre system fixes its own layout; leave 'file' out"
    if layout and layout.quote and len(layout.delimiter) > 1:
        yield ["file", "delimiter"], "a file with quotes needs a delimiter of one character"
    if layout and set(layout.delimiter) & {"\r", "\n", "\0"}:
        yield ["file", "delimiter"], "a delimiter holds no line end and no NUL"
    if layout and layout.escape and not layout.quote:
        yield ["file", "escape"], "belongs only to a file with quotes"


def _interface_stream_faults(
    place: list[str], stream: Stream, contract: Contract
) -> Iterator[tuple[list[str], str]]:
    if contract.interface.type != "extract":
        for field in ("cursor", "deleted", "every"):
            if getattr(stream, field) is not None:
                yield [*place, field], "belongs only to 'type: extract'"
        if stream.table is not None and contract.interface.type != "table":
            yield [*place, "table"], "belongs only to 'type: table' or 'type: extract'"
    if contract.interface.type == "extract":
        if stream.table is None:
            yield [*place], "an extract needs 'table'"
        if (stream.cursor is None) != (stream.mode == "full"):
            yield [*place, "mode"], "an extract is either 'full' or has a 'cursor'"
    elif contract.interface.type not in {"files", "service"} and stream.mode == "full":
        yield [*place, "mode"], "'full' belongs to files, an extract or the service"
    for field in ("cursor", "deleted"):
        part = getattr(stream, field)
        if part is not None and part.column not in stream.columns:
            hint = suggest(part.column, stream.columns)
            yield [*place, field], f"unknown column '{part.column}'{hint}"
    if stream.cursor is not None and stream.cursor.column in stream.columns:
        yield from _cursor_faults([*place, "cursor"], stream)
    trailer = contract.file.trailer if contract.file else None
    for name in trailer.sums if trailer else ():
        if name not in stream.columns or not stream.columns[name].is_numeric:
            yield ["file", "trailer", "sums"], f"'{name}' is no column of numbers of every stream"
    fixed = contract.interface.format == "fixed_width"
    for name, column in stream.columns.items():
        if fixed and column.at is None:
            yield [*place, "columns", name], "a column of fixed width needs 'at: [first, bytes]'"
        if not fixed and column.at is not None:
            yield [*place, "columns", name], "'at' belongs only to files of fixed width"


def _cursor_faults(place: list[str], stream: Stream) -> Iterator[tuple[list[str], str]]:
    assert stream.cursor is not None
    column = stream.columns[stream.cursor.column]
    if column.type not in _DATED and not column.is_numeric:
        yield place, "a cursor must be a date, a timestamp or a number"
    elif column.is_numeric and not stream.cursor.look_back.startswith("0 "):
        yield [*place, "look_back"], "belongs only to a cursor of dates or times"
    if column.pii or column.scrub:
        yield place, "a cursor must not be a personal value"


def _case_faults(contract: Contract) -> Iterator[tuple[list[str], str]]:
    for key in ("dates", "map", "zone"):
        if getattr(contract, key) is None:
            yield [key], "is required by 'shape: cases'"
    if contract.interface.type not in {"files", "service"}:
        yield ["interface"], "cases by a mapping come as files or by the service"
    if contract.map and contract.map.unit is None and contract.org is None:
        yield ["org"], "is required by 'shape: cases', unless 'map' names a 'unit'"
    if contract.map and contract.map.unit is not None and contract.org is not None:
        yield ["org"], "belongs to 'map.org'; the units of 'map.unit' are those of another source"
    if contract.file is not None and not contract.file.header:
        yield ["file", "header"], "flat data sets are mapped by name and need a header row"
    count = len(contract.org.levels) if contract.org else 0
    if contract.map and count and len(contract.map.org) not in {0, count}:
        yield ["map", "org"], f"must name one column for each of the {count} org levels"


def _stream_faults(place: list[str], stream: Stream) -> Iterator[tuple[list[str], str]]:
    columns = stream.columns
    for key in stream.key:
        if key not in columns:
            yield [*place, "key"], f"unknown column '{key}'{suggest(key, columns)}"
    for field in ("business_date_from", "case_key"):
        name = getattr(stream, field)
        if name is not None and name not in columns:
            yield [*place, field], f"unknown column '{name}'{suggest(name, columns)}"
    told = stream.branch_column
    if told is not None and told not in {"_branch", *stream.key}:
        hint = suggest(told, stream.key)
        yield [*place, "branch_column"], f"'{told}' is no column of the key{hint}"
    dated = stream.business_date_from
    if dated in columns and columns[dated].type not in {"date", "timestamp"}:
        yield [*place, "business_date_from"], f"'{dated}' must be a date or a timestamp"
    yield from _keep_faults([*place, "keep"], stream)
    for name in stream.control.sums:
        if name not in columns:
            yield [*place, "control", "sums"], f"unknown column '{name}'{suggest(name, columns)}"
        elif not columns[name].is_numeric:
            yield [*place, "control", "sums"], f"'{name}' is not a number"
    for name, column in columns.items():
        for message in _column_faults(column):
            yield [*place, "columns", name], message


def _keep_faults(place: list[str], stream: Stream) -> Iterator[tuple[list[str], str]]:
    """Facts of an expired day leave with it, so only streams whose days stand alone may expire."""
    if stream.keep is None:
        return
    if stream.mode == "changes":
        yield place, "belongs to 'append' or 'full': a table of changes needs its whole history"
    if stream.case_key is not None:
        yield place, "the records of a case expire together or not at all: leave 'keep' out"
    if int(stream.keep.split()[0]) < _FEWEST_DAYS_KEPT:
        yield place, f"must be at least {_FEWEST_DAYS_KEPT} days, which completeness looks back on"


def _column_faults(column: Column) -> Iterator[str]:
    if column.format and column.type not in {"date", "timestamp"}:
        yield "'format' belongs only to dates and timestamps"
    if column.tz is not None and column.type != "timestamp":
        yield "'tz' belongs only to timestamps"
    if column.tz is not None and column.tz not in _zones():
        yield f"unknown time zone '{column.tz}'"
    if (column.min is not None or column.max is not None) and not column.is_numeric:
        yield "'min' and 'max' belong only to numbers"
    if column.pii and column.type != "string":
        yield "'pii' belongs only to strings"
    if column.pii and column.reveal is None:
        yield "a 'pii' column must say 'reveal: yes' or 'reveal: no'"
    if column.reveal is not None and not column.pii:
        yield "'reveal' belongs only to 'pii' columns"
    if column.scrub and (column.pii or column.type != "string"):
        yield "'scrub' belongs only to strings that are not 'pii'"
