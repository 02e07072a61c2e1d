"""A result as one HTML page that needs nothing else."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from cubes.errors import AnswerTooLarge
from cubes.result import CubeResult
from cubes.table import cell_text, heading_text, remarks, totals_cells

MOST_ROWS = 20_000
"""More rows make a page that browsers cannot show in good time."""


def page_html(result: CubeResult, *, title: str) -> str:
    """The page in the result's language; every text is escaped.

    Raises AnswerTooLarge for more rows than a page can hold.
    """
    if len(result.rows) > MOST_ROWS:
        raise AnswerTooLarge(
            zh=f"一个网页最多 {MOST_ROWS} 行，而结果有 {len(result.rows)} 行。重试没有用；"
            "请减少行数，或改用 CSV。",
            en=f"A page holds at most {MOST_ROWS} rows, and the answer has {len(result.rows)}. "
            "Trying again does not help; ask for fewer rows, or for CSV.",
        )
    language = result.language
    return _template().render(
        language="zh-CN" if language == "zh" else language,
        title=title,
        headings=[
            {"text": heading_text(column, language), "is_number": column.kind == "measure"}
            for column in result.columns
        ],
        rows=[
            [cell_text(result, column, row, language) for column in result.columns]
            for row in result.rows
        ],
        totals=[totals_cells(result, row, language) for row in result.totals],
        remarks=remarks(result, language),
        snapshot=result.snapshot,
        empty="没有数据" if language == "zh" else "No rows",
        snapshot_word="快照" if language == "zh" else "Snapshot",
    )


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(
        Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    )
