"""What an answer is of is told with it: days, members, units."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from io import StringIO

import duckdb
import pytest
from rich.console import Console

from cubes.asked import AskedMembers, AskedTime
from cubes.catalogue import Catalogue
from cubes.drill_through import drill_through
from cubes.page import page_html
from cubes.period import Period
from cubes.question import CubeQuery
from cubes.scope import Scope
from cubes.table import remarks, render_table
from tests.cubes.conftest import Ask


@pytest.mark.parametrize(
    ("period", "is_by_month", "zh", "en"),
    [
        (Period(date(2026, 3, 1), date(2026, 3, 31)), False, "2026-03-01 至 2026-03-31",
         "2026-03-01 to 2026-03-31"),
        (Period(date(2026, 3, 1), date(2026, 3, 1)), False, "2026-03-01", "2026-03-01"),
        (Period(date(2026, 1, 1), date(2026, 3, 1)), True, "2026-01 至 2026-03",
         "2026-01 to 2026-03"),
        (Period(date(2026, 3, 1)), False, "2026-03-01 起", "from 2026-03-01"),
        (Period(None, date(2026, 3, 1)), False, "至 2026-03-01", "to 2026-03-01"),
        (
            Period(date(2026, 3, 1), date(2026, 3, 5), (date(2026, 3, 1), date(2026, 3, 5))),
            False, "2026-03-01 至 2026-03-05（其中 2 天）",
            "2026-03-01 to 2026-03-05 (2 of these days)",
        ),
        (None, False, "（空）", "(none)"),
    ],
)  # fmt: skip
def test_days_are_told_as_people_read_them(
    period: Period | None, is_by_month: bool, zh: str, en: str
) -> None:
    asked = AskedTime("created", "受理日期", period, is_by_month)
    assert (asked.text("zh"), asked.text("en")) == (zh, en)


def test_an_answer_tells_its_days_its_members_and_its_units(ask: Ask) -> None:
    result = ask(
        "cases", "cases", "org.l2", cuts={"kind": ["complaint", None], "org": "四川/成都"},
        period="2026-03", compare="previous", scope=Scope.units(["5101"]),
    )  # fmt: skip
    assert remarks(result, "zh") == [
        "受理：2026-03-01 至 2026-03-31",
        "类型：投诉、（空）",
        "组织：四川/成都",
        "管辖范围：5101 及其下级",
        "比较期：2026-02-01 至 2026-02-28",
    ]
    assert json.loads(result.to_json())["asked"] == {
        "periods": {"created": {"start": "2026-03-01", "end": "2026-03-31"}},
        "cuts": {"kind": ["complaint", None], "org": ["四川/成都"]},
        "units": ["5101"],
    }
    assert "2026-03-01 至 2026-03-31" in page_html(result, title="x")


def test_an_answer_about_everything_tells_nothing_more(ask: Ask) -> None:
    assert remarks(ask("cases", "cases"), "zh") == []


def test_days_that_cannot_be_are_told(ask: Ask) -> None:
    result = ask("cases", "cases", cuts={"created": "2026-01"}, period="2026-03", language="en")
    assert "the period and cuts share no day" in remarks(result, "en")


def test_what_was_written_cannot_change_how_it_is_shown(ask: Ask) -> None:
    result = ask("cases", "cases", cuts={"kind": "complaint"})
    assert result.asked is not None
    hostile = AskedMembers("kind", "类型", ("x",), ("[red]x\x1b[2J",))
    told = replace(result, asked=replace(result.asked, members=(hostile,)))
    out = StringIO()
    Console(file=out, width=80).print(render_table(told))
    assert "类型：[red]x\N{REPLACEMENT CHARACTER}[2J" in out.getvalue()


def test_rows_tell_what_they_are_of(catalogue: Catalogue, marts: duckdb.DuckDBPyConnection) -> None:
    found = drill_through(
        catalogue,
        marts,
        CubeQuery("cases", ("cases",), cuts=(("kind", ("complaint",)),), period="2026-03"),
        scope=Scope.all(),
        business_date=date(2026, 3, 31),
        language="en",
    )
    assert remarks(found, "en")[0].endswith("2026-03-01 to 2026-03-31")
    assert render_table(found).caption
