"""How commands print: rich tables for people, JSON for programs, progress on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Container, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cubes.label import Language
from pipelines.installation import Installation

if TYPE_CHECKING:
    from rich.console import Console

_PIPED_WIDTH = 140


class Format(StrEnum):
    """How a listing is printed."""

    text = "text"
    json = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="text | json")]
LanguageOption = Annotated[
    str | None, typer.Option("--language", help="zh | en (默认 / default: HUIYIN_LANGUAGE)")
]


def open_installation(context: typer.Context) -> Installation:
    """The installation the command works on."""
    home: Path | None = context.obj
    return Installation.open(os.environ, home=home.resolve() if home else None)


def language_of(installation: Installation, asked: str | None) -> Language:
    """The language to print in; raises BadParameter for an unknown one."""
    language = asked or installation.settings.language
    if language not in {"zh", "en"}:
        raise typer.BadParameter(f"{language!r}: zh | en")
    return "en" if language == "en" else "zh"


def plain(value: Any) -> Any:
    """A value as JSON knows it: dates ISO, decimals as strings with their scale."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def vars_of(value: Any) -> dict[str, Any]:
    """The fields of a frozen value as a mapping."""
    from dataclasses import asdict, is_dataclass

    assert is_dataclass(value) and not isinstance(value, type)
    return asdict(value)


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")


def print_text(text: str) -> None:
    """Print plain text on stdout."""
    sys.stdout.write(text + "\n")


def print_error(text: str) -> None:
    """Print one message on stderr."""
    sys.stderr.write(text + "\n")


def print_table(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    empty: str,
    figures: Container[int] = (),
) -> None:
    """Print rows as a table, or the sentence `empty`.

    Numbers stand to the right, as do the columns in `figures` (by their index), which are numbers
    in words.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    console = wide_console()
    if not rows:
        console.print(empty, markup=False)
        return
    table = Table(title=title or None, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for index, heading in enumerate(headings):
        numeric = index in figures or all(
            isinstance(row[index], int | float | Decimal | None) for row in rows
        )
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell_text(cell)) for cell in row))
    console.print(table)


def wide_console() -> Console:
    """A console as wide as the terminal; output that is piped is wide enough not to be folded."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def cell_text(cell: Any) -> str:
    """One cell: thousands separated, nothing for None, minutes for instants."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "✓" if cell else ""
    if isinstance(cell, int | Decimal):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.2f}"
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="minutes")
    return str(cell)
