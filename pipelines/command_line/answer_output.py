"""How the answer of a query is given: a table, or the bytes of one of several formats."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from pipelines.command_line.output import print_error, print_text, wide_console

if TYPE_CHECKING:
    from cubes.label import Language
    from cubes.record_stream import RecordStream
    from cubes.result import CubeResult


class AnswerFormat(StrEnum):
    """The formats of an answer; `text` is another word for table."""

    table = "table"
    text = "text"
    json = "json"
    csv = "csv"
    arrow = "arrow"
    xlsx = "xlsx"
    html = "html"


STREAMED = (AnswerFormat.csv, AnswerFormat.arrow)
"""Formats that hold answers of any size; they have no totals."""

MOST_ROWS = 1_000_000
"""The rows that formats held in memory may have."""

_TABLES = (AnswerFormat.table, AnswerFormat.text)
AnswerFormatOption = Annotated[
    AnswerFormat,
    typer.Option(
        "--format",
        help="table | json | csv | arrow | xlsx | html；不写则按 -o 的文件名 / by default by the "
        "name of the file of -o",
    ),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="写入文件 / write to this file")
]


def format_for(output: AnswerFormat, file: Path | None) -> AnswerFormat:
    """The format of an answer: a file named like one gets it where no other was asked for."""
    suffix = "" if file is None else file.suffix.removeprefix(".").lower()
    named = {one.value: one for one in AnswerFormat if one not in _TABLES}
    return named.get(suffix, output) if output in _TABLES else output


def say_rows_were_cut(rows: int, limit: int | None, language: Language) -> None:
    """Say of as many rows as were asked for that there may be more."""
    if limit is not None and rows == limit:
        print_error(
            f"只给出前 {limit} 行，可能还有；用 --limit 取更多。"
            if language == "zh"
            else f"These are the first {limit} rows and there may be more; see --limit."
        )


def give(
    result: CubeResult, output: AnswerFormat, file: Path | None, *, title: str, show_sql: bool
) -> None:
    """Print or write an answer in a format that is held in memory."""
    from cubes.page import page_html
    from cubes.table import print_whole, render_table
    from cubes.workbook import workbook_bytes

    if output is AnswerFormat.xlsx:
        write(file, [workbook_bytes(result, title=title)], is_binary=True)
    elif output is AnswerFormat.html:
        write(file, [page_html(result, title=title).encode()])
    elif output is AnswerFormat.json:
        write(file, [result.to_json().encode(), b"\n"])
    elif file is not None:
        write(file, [_table_text(result).encode()])
    else:
        console = wide_console()
        print_whole(console, render_table(result, width=console.width))
    if show_sql:
        print_text(result.sql)


def _table_text(result: CubeResult) -> str:
    from rich.console import Console

    from cubes.table import print_whole, render_table

    file = StringIO()
    print_whole(Console(width=400, file=file), render_table(result))
    return file.getvalue()


def write_stream(stream: RecordStream, output: AnswerFormat, file: Path | None) -> None:
    """Write an answer in one of the formats in `STREAMED`."""
    from cubes.record_stream import arrow_chunks, csv_chunks

    chunks = csv_chunks if output is AnswerFormat.csv else arrow_chunks
    write(file, chunks(stream), is_binary=output is AnswerFormat.arrow)


def write(file: Path | None, chunks: Iterable[bytes], *, is_binary: bool = False) -> None:
    """Write chunks to the file, which appears whole or not at all, or to stdout.

    Raises BadParameter for bytes that a terminal cannot show.
    """
    if file is None and is_binary and sys.stdout.isatty():
        raise typer.BadParameter(
            "这种格式请写入文件 / this format needs a file", param_hint="--output"
        )
    with _opened(file) as sink:
        for chunk in chunks:
            sink.write(chunk)


@contextmanager
def _opened(file: Path | None) -> Iterator[IO[bytes]]:
    if file is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if file.exists() and not file.is_file():
        # A pipe or a device is written to; a file put in its place would end it.
        with file.open("wb") as sink:
            yield sink
        return
    target = file.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as sink:
            yield sink
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def say_totals_are_left_out(language: str) -> None:
    """Say on stderr that a streamed format has no totals, since they were asked for."""
    print_error(
        "此格式不含合计行；要合计请用 table、json、xlsx 或 html。"
        if language == "zh"
        else "This format has no totals; use table, json, xlsx or html for them."
    )
