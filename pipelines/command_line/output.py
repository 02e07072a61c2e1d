"""How commands print: rich tables for people, JSON for programs, progress on stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.installation import Installation
from pipelines.settings import Language


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
    title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str
) -> None:
    """Print rows as a table, or the sentence `empty`; numbers stand to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not rows:
        console.print(empty, markup=False)
        return
    table = Table(title=title or None, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for index, heading in enumerate(headings):
        numeric = all(isinstance(row[index], int | float | Decimal | None) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell_text(cell)) for cell in row))
    console.print(table)


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


class Steps:
    """Progress of long work on stderr: one line a step, with its duration."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.durations: dict[str, float] = {}

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        """Show that `label` runs, then how long it took."""
        begun = time.monotonic()
        self._write(f"  … {label}", end="" if self.live else "\n")
        yield
        seconds = time.monotonic() - begun
        self.durations[label] = seconds
        self._write(
            f"\r\033[K  ✓ {label}  {seconds:.1f} s"
            if self.live
            else f"  ✓ {label}  {seconds:.1f} s"
        )

    def say(self, text: str) -> None:
        """Show a detail of the running step."""
        if self.live:
            self._write(f"\r\033[K  … {text}", end="")

    def count(self, done: int, total: int) -> None:
        """Show a count within the running step."""
        self.say(f"{done}" if not total else f"{done}/{total}")

    def _write(self, text: str, end: str = "\n") -> None:
        sys.stderr.write(text + end)
        sys.stderr.flush()
