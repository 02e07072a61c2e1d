"""Workbooks (XLSX): a record is a row of one sheet below its header row.

Cells become texts: numbers without `.0` and without an exponent, dates in the first format of
their column, results in place of formulas. Rows without any value and cells behind the header are
not there. A file whose name ends in `.csv` is read as delimited text of the same layout, quoted.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from connectors.contract import Column, Contract
from connectors.errors import RefusedDelivery, UnwritableValue
from connectors.formats.delimited import Reading, read_delimited
from connectors.formats.file_columns import TextRule, file_columns, text_rules
from connectors.formats.lines import Records
from connectors.formats.packing import packed, refusing_damage
from connectors.formats.sheet_places import check_sheets

SUFFIX = ".xlsx"

_LARGEST_FILE = 100 * 1024**2
_LARGEST_UNPACKED = 1024**3
_MOST_TIMES = 200
_MOST_CELLS = 20_000_000
_LONGEST_CELL = 32_767
_MOST_TITLES = 20
_MOST_ROWS = 1_048_575
_EXACT_BELOW = 10**15
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
_MOMENT = (1980, 1, 1, 0, 0, 0)
_PATTERNS = {"date": "%Y-%m-%d", "timestamp": "%Y-%m-%d %H:%M:%S"}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0d\x0e-\x1f\ufffe\uffff\ud800-\udfff]|_x[0-9A-Fa-f]{4}_")
_BLANKS_ALONE = re.compile(rb"<t>(\s+)</t>")
_CHANGED_AT = re.compile(rb"<dcterms:(created|modified)[^>]*>[^<]*</dcterms:\1>")


def read(
    path: Path, contract: Contract, stream_name: str, connection: duckdb.DuckDBPyConnection
) -> Reading:
    """Read the sheet of the layout into `record`; `line` is the row in the sheet, from 1.

    Raises RefusedDelivery for a workbook that is broken, encrypted, too large or lacks the sheet.
    """
    layout = contract.layout
    if path.suffix.lower() == ".csv":
        quoted = layout.model_copy(update={"quote": layout.quote or '"'})
        return read_delimited(path, quoted, connection)
    _check(path)
    rows = _sheet(path, layout.sheet)
    columns = contract.streams[stream_name].columns
    names = file_columns(contract, stream_name)
    records = Records(connection)
    header: tuple[str, ...] | None = None
    kinds = [columns.get(name) for name in names]
    above = 0
    if layout.header:
        above, header = _find_header(rows, _needed(contract, stream_name))
        by_name = {told: columns.get(name) for name, told in names.items()}
        kinds = [by_name.get(name) for name in header]
    for number, cells in enumerate(rows[above:], above + 1):
        if _is_empty(cells):
            continue
        beyond = [cell for cell in cells[len(kinds) :] if cell not in ("", None)]
        fields = [_text(cell, kind) for cell, kind in zip(cells[: len(kinds)], kinds, strict=False)]
        fields += [None] * (len(kinds) - len(fields))
        records.add(fields, line=number, flaw=_flaw(cells, beyond))
    return records.finish(path, header)


def _check(path: Path) -> None:
    """Refuse what is no workbook, is encrypted or damaged, or would unpack to too much."""
    size = path.stat().st_size
    if size > _LARGEST_FILE:
        raise RefusedDelivery("too_large", f"a workbook may have {_LARGEST_FILE} bytes")
    with path.open("rb") as file:
        head = file.read(4)
    if head == _OLD_WORKBOOK:
        raise RefusedDelivery("broken_workbook", "the workbook is encrypted or of the old format")
    with (
        refusing_damage("broken_workbook", "the file is not a workbook"),
        zipfile.ZipFile(path) as archive,
    ):
        unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > min(_LARGEST_UNPACKED, max(size * _MOST_TIMES, 64 * 1024**2)):
            raise RefusedDelivery("too_much_unpacked", f"it unpacks to {unpacked} bytes")
        check_sheets(archive)


def _sheet(path: Path, name: str | None) -> Sequence[Sequence[Any]]:
    """The cells of one sheet; without a name the first one."""
    import pandas as pd
    from python_calamine import CalamineError, PasswordError

    try:
        with pd.ExcelFile(path, engine="calamine") as book:
            # The whole range of the sheet, so that a row keeps its number.
            names = [str(one) for one in book.sheet_names]
            if name is not None and name not in names:
                raise RefusedDelivery("missing_sheet", f"the workbook has no sheet '{name}'")
            sheet = book.book.get_sheet_by_name(name or names[0])
            if sheet.total_height * sheet.total_width > _MOST_CELLS:
                raise RefusedDelivery("too_large", f"a sheet may have {_MOST_CELLS} cells")
            found: Sequence[Sequence[Any]] = sheet.to_python(skip_empty_area=False)
            return found
    except (PasswordError, CalamineError, ValueError, IndexError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RefusedDelivery("broken_workbook", "the workbook cannot be read") from error


def _flaw(cells: Sequence[Any], beyond: Sequence[Any]) -> str | None:
    """Why a row cannot be trusted: cells behind the header, or a number whose end was lost."""
    if beyond:
        return "wrong_field_count"
    # Programs keep fifteen digits; what looks like a longer number is an id that lost its end.
    if any(isinstance(cell, int | float) and abs(cell) >= _EXACT_BELOW for cell in cells):
        return "inexact_number"
    return None


def _needed(contract: Contract, stream_name: str) -> set[str]:
    """Names that a header row must have."""
    stream, names = contract.streams[stream_name], file_columns(contract, stream_name)
    if contract.map is not None:
        return set(names)
    return {
        told for name, told in names.items() if stream.columns[name].required or name in stream.key
    }


def _find_header(rows: Sequence[Sequence[Any]], needed: set[str]) -> tuple[int, tuple[str, ...]]:
    """The rows up to the header, and its names: titles that people put above it are passed over.

    It is the first row that has all needed names, else the first that is not empty.
    """
    filled = [number for number, cells in enumerate(rows[:_MOST_TITLES]) if not _is_empty(cells)]
    if not filled:
        filled = [number for number, cells in enumerate(rows) if not _is_empty(cells)][:1]
    if not filled:
        raise RefusedDelivery("empty_file", "the sheet has no header row")
    for number in filled:
        header = _header(rows[number])
        if needed <= set(header):
            return number + 1, header
    return filled[0] + 1, _header(rows[filled[0]])


def _is_empty(cells: Sequence[Any]) -> bool:
    return all(cell == "" or cell is None for cell in cells)


def _header(cells: Sequence[Any]) -> tuple[str, ...]:
    names = [_text(cell, None) or "" for cell in cells]
    while names and not names[-1].strip():
        names.pop()
    return tuple(name.strip() for name in names)


def _text(cell: Any, column: Column | None) -> str | None:
    """The text of one cell, written as its column wants it."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return _number(cell)
    if isinstance(cell, datetime | date):
        return _moment(cell, column)
    if isinstance(cell, time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return str(cell)


def _number(value: float) -> str:
    """Fifteen digits are what a workbook keeps; a binary fraction behind them is no one's."""
    if value == int(value):
        return str(int(value))
    return format(Decimal(format(value, ".15g")).normalize(), "f")


def _moment(cell: date, column: Column | None) -> str:
    kind = column.type if column else None
    if kind is None or kind not in _PATTERNS:
        midnight = not isinstance(cell, datetime) or cell.time() == time()
        kind = "date" if midnight else "timestamp"
    pattern = column.format[0] if column and column.format else _PATTERNS[kind]
    if kind == "date" and isinstance(cell, datetime) and cell.time() != time():
        # A time of day in a date's place is told as it is, so that the rule of dates rejects it.
        return cell.strftime(_PATTERNS["timestamp"])
    return cell.strftime(pattern)


def write(
    rows: Iterable[Mapping[str, str | None]],
    path: Path,
    contract: Contract,
    stream_name: str,
    *,
    sums: Mapping[str, str],
) -> int:
    """Write rows as a workbook of texts, so that no program changes them; return their number."""
    from openpyxl import Workbook  # type: ignore[import-untyped]
    from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]

    layout = contract.layout
    # The library leaves a half-made sheet behind when it is interrupted, so all is checked before.
    checked = list(_checked(rows, text_rules(contract, stream_name)))
    book = Workbook(write_only=True)
    sheet = book.create_sheet(layout.sheet or "Sheet1")
    if layout.header:
        sheet.append(list(file_columns(contract, stream_name).values()))
    for texts in checked:
        cells = []
        for text in texts:
            cell = WriteOnlyCell(sheet, value=None)
            if text:
                cell.value, cell.data_type, cell.number_format = text, "s", "@"
            cells.append(cell)
        sheet.append(cells)
    made = io.BytesIO()
    book.save(made)
    with packed(path, "none") as file:
        file.write(_without_moments(made))
    return len(checked)


def _checked(
    rows: Iterable[Mapping[str, str | None]], rules: list[TextRule]
) -> Iterator[list[str]]:
    for count, row in enumerate(rows, 1):
        if count > _MOST_ROWS:
            raise UnwritableValue(count, rules[0].column, "stands behind the last row of a sheet")
        texts = []
        for rule in rules:
            text = rule.text(row.get(rule.column), count)
            if len(text.encode("utf-16-le", "surrogatepass")) // 2 > _LONGEST_CELL:
                raise UnwritableValue(count, rule.column, f"has more than {_LONGEST_CELL} letters")
            if _CONTROL.search(text):
                raise UnwritableValue(count, rule.column, "holds what no cell can hold")
            texts.append(text)
        # A row without any value would come back as no row.
        if not any(texts):
            raise UnwritableValue(count, rules[0].column, "is empty, as is the whole row")
        yield texts


def _without_moments(made: io.BytesIO) -> bytes:
    """The same workbook without the moment at which it was made."""
    fixed = b'<dcterms:\\1 xsi:type="dcterms:W3CDTF">1980-01-01T00:00:00Z</dcterms:\\1>'
    result = io.BytesIO()
    with zipfile.ZipFile(made) as given, zipfile.ZipFile(result, "w") as kept:
        for info in given.infolist():
            content = given.read(info)
            if info.filename == "docProps/core.xml":
                content = _CHANGED_AT.sub(fixed, content)
            # The library marks blanks around a text as meant, but not blanks that stand alone.
            content = _BLANKS_ALONE.sub(rb'<t xml:space="preserve">\1</t>', content)
            member = zipfile.ZipInfo(info.filename, _MOMENT)
            member.compress_type = zipfile.ZIP_DEFLATED
            kept.writestr(member, content)
    return result.getvalue()
