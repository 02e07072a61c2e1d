"""A result as an Excel workbook: real numbers and dates, labels, totals, and what it is."""

from __future__ import annotations

import io
import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from openpyxl import Workbook  # type: ignore[import-untyped]
from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE  # type: ignore[import-untyped]
from openpyxl.styles import Alignment, Font  # type: ignore[import-untyped]
from openpyxl.utils import get_column_letter  # type: ignore[import-untyped]
from rich.cells import cell_len

from cubes.errors import AnswerTooLarge
from cubes.result import Column, CubeResult
from cubes.table import cell_text, heading_text, remarks, totals_cells

MOST_ROWS = 1_000_000
"""Excel's own bound is 1,048,576 with the heading."""

_FORMATS = {
    "integer": "#,##0",
    "decimal": "#,##0.00",
    "money": "#,##0.00",
    "percent": "0.0%",
    "points": "0.0%",
    "duration": "[h]:mm:ss",
}
_DATES = {"month": "yyyy-mm", "year": "yyyy"}
_WIDEST = 60
_NONCHARACTERS = re.compile("[\ufffe\uffff]")
_BOLD = Font(bold=True)


def workbook_bytes(result: CubeResult, *, title: str) -> bytes:
    """The bytes of a workbook with a sheet of figures and one that tells what they are.

    Texts are never taken for formulas. Raises AnswerTooLarge beyond Excel's rows.
    """
    if len(result.rows) + len(result.totals) > MOST_ROWS:
        raise AnswerTooLarge(
            zh=f"一个工作簿最多 {MOST_ROWS} 行，而结果有 {len(result.rows)} 行。重试没有用；"
            "请减少行数，或改用 CSV。",
            en=f"A workbook holds at most {MOST_ROWS} rows, and the answer has {len(result.rows)}. "
            "Trying again does not help; ask for fewer rows, or for CSV.",
        )
    language = result.language
    chinese = language == "zh"
    book = Workbook(write_only=True)
    sheet = book.create_sheet("数据" if chinese else "Figures")
    headings = [heading_text(column, language).replace("\n", " ") for column in result.columns]
    for index, column in enumerate(result.columns):
        texts = [cell_text(result, column, row, language) for row in result.rows[:200]]
        widest = max((cell_len(text) for text in [headings[index], *texts]), default=8)
        sheet.column_dimensions[get_column_letter(index + 1)].width = min(widest, _WIDEST) + 3
    sheet.freeze_panes = "A2"
    sheet.append([_text(sheet, heading, bold=True, wrap=True) for heading in headings])
    for row in result.rows:
        sheet.append([_cell(sheet, result, column, row) for column in result.columns])
    for row in result.totals:
        told = totals_cells(result, row, language)
        sheet.append(
            [
                _cell(sheet, result, column, row, bold=True)
                if column.name in row
                else _text(sheet, text, bold=True)
                for column, text in zip(result.columns, told, strict=True)
            ]
        )
    about = book.create_sheet("说明" if chinese else "About")
    about.column_dimensions["A"].width = 16
    about.column_dimensions["B"].width = 80
    about.append([_text(about, title, bold=True)])
    facts = [("快照" if chinese else "Snapshot", result.snapshot or "")]
    facts += [("备注" if chinese else "Note", remark) for remark in remarks(result, language)]
    for name, fact in facts:
        about.append([_text(about, name), _text(about, fact, wrap=True)])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _cell(
    sheet: Any, result: CubeResult, column: Column, row: dict[str, Any], *, bold: bool = False
) -> WriteOnlyCell:
    value = row[column.name]
    if value is None and column.kind == "measure":
        return _text(sheet, "", bold=bold)
    if column.format == "quarter":
        # A workbook has no format for quarters.
        return _text(sheet, cell_text(result, column, row, result.language), bold=bold)
    is_plain = isinstance(value, bool) or column.name in result.member_labels
    if isinstance(value, int | float | Decimal) and not is_plain and _is_finite(value):
        # Excel counts time in days.
        is_duration = column.format == "duration"
        cell = WriteOnlyCell(sheet, value=float(value) / 86_400 if is_duration else value)
        cell.number_format = _number_format(column, value)
    elif isinstance(value, date | datetime | time) and not is_plain:
        cell = WriteOnlyCell(sheet, value=value)
        cell.number_format = (
            "yyyy-mm-dd hh:mm:ss" if isinstance(value, datetime)
            else "hh:mm:ss" if isinstance(value, time)
            else _DATES.get(column.format or "", "yyyy-mm-dd")
        )  # fmt: skip
    else:
        return _text(sheet, cell_text(result, column, row, result.language), bold=bold)
    if bold:
        cell.font = _BOLD
    return cell


def _is_finite(value: int | float | Decimal) -> bool:
    return value == value and abs(value) != float("inf")


def _number_format(column: Column, value: int | float | Decimal) -> str:
    if column.kind != "measure":
        return "General"
    return _FORMATS.get(column.format or "", "#,##0" if isinstance(value, int) else "#,##0.00")


def _text(sheet: Any, text: str, *, bold: bool = False, wrap: bool = False) -> WriteOnlyCell:
    for no_xml in (ILLEGAL_CHARACTERS_RE, _NONCHARACTERS):
        text = no_xml.sub("\N{REPLACEMENT CHARACTER}", text)
    cell = WriteOnlyCell(sheet, value=text)
    # A text that begins with = would else be a formula.
    cell.data_type = "s"
    if bold:
        cell.font = _BOLD
    if wrap:
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    return cell
