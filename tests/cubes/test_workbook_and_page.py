"""Answers as workbook and page: real values, labels, nothing that runs."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from cubes import page, workbook
from cubes.errors import AnswerTooLarge
from cubes.page import page_html
from cubes.result import Column, CubeResult
from cubes.workbook import workbook_bytes
from tests.cubes.conftest import Ask

DAY = date(2026, 3, 30)
SEEN = datetime.combine(DAY, time(9, 5))
HOSTILE = [
    '=HYPERLINK("http://x")',
    "+1",
    "<script>alert(1)</script>",
    "a\x07b",
    "&amp;",
    "a\ufffeb",
]


def answer(names: list[str]) -> CubeResult:
    return CubeResult(
        columns=(
            Column("name", "名称 <b>", "string", "member"),
            Column("on", "日", "date", "time"),
            Column("seen", "时间", "timestamp", "detail"),
            Column("money", "金额", "decimal", "measure", "money"),
            Column("share", "占比", "number", "measure", "percent"),
            Column("wait", "等待", "number", "measure", "duration"),
        ),
        rows=[
            {"name": name, "on": DAY, "seen": SEEN,
             "money": Decimal("1234.50"), "share": 0.125, "wait": 5400.0}
            for name in names
        ],
        totals=[{"money": Decimal("9.00"), "share": None, "wait": float("nan")}],
        sql="select 1",
        snapshot="20260330",
    )  # fmt: skip


def sheets(result: CubeResult) -> list[Any]:
    return openpyxl.load_workbook(io.BytesIO(workbook_bytes(result, title="=标题"))).worksheets


def test_a_workbook_holds_numbers_and_dates_and_no_text_is_a_formula() -> None:
    figures, about = sheets(answer(HOSTILE))
    lines = list(figures.iter_rows())
    assert [line[0].value for line in lines[1:7]] == [
        '=HYPERLINK("http://x")', "+1", "<script>alert(1)</script>", "a\ufffdb", "&amp;",
        "a\ufffdb",
    ]  # fmt: skip
    assert all(
        cell.data_type != "f" for sheet in (figures, about) for line in sheet for cell in line
    )
    name, day, seen, money, share, wait = lines[1]
    assert day.value == datetime.combine(DAY, time()) and day.number_format == "yyyy-mm-dd"
    assert seen.value == SEEN
    assert (money.value, money.number_format) == (1234.5, "#,##0.00")
    assert (share.value, share.number_format) == (0.125, "0.0%")
    assert wait.value == timedelta(minutes=90)
    assert lines[-1][0].value == "合计" and lines[-1][3].font.bold
    assert figures.freeze_panes == "A2" and name.value
    assert [line[1].value for line in about][1] == "20260330"


def test_a_page_escapes_every_text_and_says_when_there_is_none() -> None:
    html = page_html(answer(HOSTILE), title="<i>标题")
    assert "<script" not in html and "<b>" not in html and "<i>" not in html
    assert "&lt;script&gt;" in html and "&amp;amp;" in html
    assert "1,234.50" in html and "12.5%" in html and "1h 30m" in html
    empty = page_html(replace(answer([]), language="en", totals=[]), title="none")
    assert "No rows" in empty and '<html lang="en">' in empty


def test_both_tell_codes_by_their_labels_and_the_period_compared_with(ask: Ask) -> None:
    for language, kind, told in (
        ("zh", "投诉", "比较期：2025-03-01 至 2025-03-31"),
        ("en", "Complaint", "against 2025-03-01 to 2025-03-31"),
    ):
        result = ask(
            "cases", "cases", "kind", period="2026-03", compare="year", language=language,
            totals="grand",
        )  # fmt: skip
        html = page_html(result, title="x")
        assert f"<td>{kind}</td>" in html and told in html
        figures, about = sheets(result)
        assert kind in [line[0].value for line in figures.iter_rows()]
        assert told in [line[1].value for line in about.iter_rows()]


def test_more_rows_than_a_form_can_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 3)
    monkeypatch.setattr(page, "MOST_ROWS", 2)
    for made in (workbook_bytes, page_html):
        with pytest.raises(AnswerTooLarge, match=re.compile("at most [23] rows")):
            made(answer(["x"] * 3), title="x")
