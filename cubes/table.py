"""A result as a table for the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from cubes.asked import period_text
from cubes.formatting import NOTHING, format_value
from cubes.result import Column, CubeResult
from cubes.view import NOBODY

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_NARROW = 12
_UNBOUNDED = 10_000
_TOTAL = {"zh": "合计", "en": "Total"}
_YES_NO = {"zh": ("是", "否"), "en": ("yes", "no")}


def render_table(
    result: CubeResult,
    *,
    language: str | None = None,
    title: str | None = None,
    max_rows: int | None = None,
    width: int | None = None,
) -> Table:
    """A rich Table: the result's labels, numbers right-aligned, totals at the end.

    `language` chooses the words added here (default: the result's own). Widths are measured in
    terminal cells, so Chinese text stays aligned. `max_rows` cuts the rows (never the totals) and
    says so in the caption, as it does what is shown as it was. Words of headings are broken only
    where they do not fit into `width` cells.
    """
    language = language or result.language
    rows = result.rows if max_rows is None else result.rows[:max_rows]
    hidden = len(result.rows) - len(rows)
    notes = []
    if hidden > 0:
        notes.append(f"另有 {hidden} 行" if language == "zh" else f"{hidden} more rows")
    if not result.rows:
        notes.append("没有数据" if language == "zh" else "No rows")
    caption = "\n".join([*notes, *map(_harmless, remarks(result, language))]) or None
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    cells = [
        [cell_text(result, column, row, language) for column in result.columns] for row in rows
    ]
    totals = [totals_cells(result, row, language) for row in result.totals]
    figures = [column.kind == "measure" for column in result.columns]
    headings = [heading_text(column, language) for column in result.columns]
    # Figures keep their width and headings wrap: a figure cut short would be a wrong one.
    least = []
    for index, is_number in enumerate(figures):
        widest = max((cell_len(line[index]) for line in [*cells, *totals]), default=1)
        least.append(max(1, widest if is_number else min(widest, _NARROW)))
    whole = [max(one, _longest_word(text)) for one, text in zip(least, headings, strict=True)]
    if width is None or sum(whole) + 3 * len(whole) + 1 <= width:
        least = whole
    for heading, is_number, min_width in zip(headings, figures, least, strict=True):
        table.add_column(
            escape(heading),
            justify="right" if is_number else "left",
            overflow="fold",
            min_width=min_width,
        )
    for line in cells:
        table.add_row(*(_harmless(text) for text in line))
    if totals:
        table.add_section()
    for line in totals:
        table.add_row(*(_harmless(text) for text in line), style="bold")
    return table


def _harmless(text: str) -> str:
    """A text of the data as a terminal may show it: nothing in it is markup or a command."""
    return escape(_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text))


def print_whole(console: Console, table: Table) -> None:
    """Print a table with all its columns; a terminal too narrow for its figures folds the lines.

    The caption stands below, so that it may be wider than the table.
    """
    caption, table.caption = table.caption, None
    unbounded = console.options.update(max_width=_UNBOUNDED)
    needed = Measurement.get(console, unbounded, table).minimum
    console.print(
        table, width=max(console.width, needed), crop=False, soft_wrap=needed > console.width
    )
    if caption is not None:
        console.print(caption, style="table.caption", soft_wrap=True, highlight=False)


def _longest_word(heading: str) -> int:
    """The cells of its longest word; Chinese is broken anywhere."""
    return max(map(len, heading.split()), default=1) if heading.isascii() else 1


def remarks(result: CubeResult, language: str) -> list[str]:
    """What people must know to read the figures: what they are of, what with, and what was."""
    told = [] if result.asked is None else result.asked.sentences(language)
    if result.compared is not None:
        is_by_month = result.asked is not None and result.asked.is_by_month
        text = period_text(result.compared, language, is_by_month=is_by_month)
        told.append(f"比较期：{text}" if language == "zh" else f"against {text}")
    if result.as_was is not None:
        told.append(result.as_was.sentence(language))
    return told


def heading_text(column: Column, language: str) -> str:
    """What stands above a column: its label with its unit."""
    if column.unit and column.heading is None:
        before, after = ("（", "）") if language == "zh" else (" (", ")")
        return f"{column.label}{before}{column.unit}{after}"
    return column.heading or column.label


def cell_text(result: CubeResult, column: Column, row: Mapping[str, Any], language: str) -> str:
    """What people read of one value, in the column's format."""
    value = row[column.name]
    if column.kind == "measure":
        is_change = column.name.endswith(("__change", "__change_ratio"))
        return format_value(value, column.format, signed=is_change)
    if value is None and column.kind == "detail":
        return NOTHING
    if value is None:
        return "" if column.kind == "key" else NOBODY.get(language, NOBODY["en"])
    if isinstance(value, bool) and column.name not in result.member_labels:
        return _YES_NO.get(language, _YES_NO["en"])[not value]
    if column.type in ("integer", "number", "decimal"):
        return str(result.text(column.name, value))
    shown_as = column.format if column.kind == "time" else None
    return format_value(result.text(column.name, value), shown_as)


def totals_cells(result: CubeResult, row: Mapping[str, Any], language: str) -> list[str]:
    """The cells of a totals row: the first rolled-up dimension says so, the others stay blank."""
    cells = []
    is_marked = False
    for column in result.columns:
        if column.name in row:
            cells.append(cell_text(result, column, row, language))
        elif is_marked or column.kind == "key":
            cells.append("")
        else:
            cells.append(_TOTAL.get(language, _TOTAL["en"]))
            is_marked = True
    return cells
