"""Results as people read them."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from cubes.formatting import format_duration, format_value
from cubes.query import Column, CubeResult
from cubes.table import print_whole, render_table
from tests.cubes.conftest import Ask


def drawn(result: CubeResult, width: int = 100, **options: Any) -> list[str]:
    console = Console(file=StringIO(), width=width)
    print_whole(console, render_table(result, width=width, **options))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "shown_as", "text"),
    [
        (1234567, "integer", "1,234,567"),
        (Decimal("1234.5"), "money", "1,234.50"),
        (Decimal("-0.004"), "money", "0.00"),
        (Decimal("2.345"), "money", "2.35"),
        (0.12345, "percent", "12.3%"),
        (12.5, "percent", "1,250.0%"),
        (-0.0715, "points", "-7.2pp"),
        (273600, "duration", "3d 4h"),
        (0, "duration", "0s"),
        (59.6, "duration", "1m"),
        (None, "money", "—"),
        (date(2026, 3, 1), "month", "2026-03"),
        (date(2026, 10, 1), "quarter", "2026-Q4"),
        (date(2026, 1, 1), "year", "2026"),
        (date(2026, 3, 2), "week", "2026-03-02"),
        (True, None, "true"),
    ],
)
def test_values_are_written_in_their_format(value: Any, shown_as: str, text: str) -> None:
    assert format_value(value, shown_as) == text


def test_durations_show_two_units_in_either_language() -> None:
    assert format_duration(90061) == "1d 1h"
    assert format_duration(86401) == "1d"
    assert format_duration(273600, language="zh") == "3天4小时"


def test_changes_carry_their_sign() -> None:
    assert format_value(0.5, "percent", signed=True) == "+50.0%"
    assert format_value(-3, "integer", signed=True) == "-3"


def test_a_table_marks_totals_and_keeps_lines_equally_wide(ask: Ask) -> None:
    result = ask("sales", "revenue,orders", "org.l2,product.family", totals="all", period="2026-03")
    *lines, said = drawn(result)
    assert len({cell_len(line) for line in lines}) == 1
    assert said.endswith("2026-03-01 至 2026-03-31")
    total = next(line for line in reversed(lines) if "合计" in line)
    assert "240.15" in total and "成都" not in total
    assert any("宽带" in line for line in lines)


def test_a_table_speaks_english_and_says_what_it_left_out(ask: Ask) -> None:
    result = ask("cases", "cases,reply_p90", "kind", totals="grand", language="en")
    lines = drawn(result, max_rows=1)
    text = "\n".join(lines)
    assert "Total" in text and "Complaint" in text and "7m 40s" in text
    assert "2 more rows" in text


def test_nothing_raw_stands_in_a_chinese_table(ask: Ask) -> None:
    result = ask("cases", "cases", "source,is_open,org.level_name")
    text = "\n".join(drawn(result))
    for shown in ("10000 号客服热线", "未结", "已结", "县公司", "市公司"):
        assert shown in text
    for raw in ("hotline", "true", "false", "county", "prefecture"):
        assert raw not in text
    english = "\n".join(drawn(ask("cases", "cases", "is_open,org.level_name", language="en")))
    assert "Closed" in english and "County" in english and "false" not in english


def test_headings_of_a_comparison_stand_in_lines_of_their_own(ask: Ask) -> None:
    result = ask("cases", "complaints", period="2026-03-30", compare="previous")
    lines = drawn(result)
    words = [part.strip() for part in lines[2].replace("│", "┃").split("┃")[1:-1]]
    assert words == ["投诉数（件）", "上期", "变化", "变化率"]
    assert [column.label for column in result.columns][1:] == [
        "投诉数（上期）",
        "投诉数（变化）",
        "投诉数（变化率）",
    ]
    assert [column.unit for column in result.columns] == ["件", "件", "件", None]


def test_what_separates_two_shares_is_told_in_points(ask: Ask) -> None:
    result = ask(
        "cases", "satisfaction_rate", period="2026-03-30", compare="previous", language="en"
    )
    formats = {column.name.removeprefix("satisfaction_rate"): column.format
               for column in result.columns}  # fmt: skip
    assert formats == {
        "": "percent", "__previous": "percent", "__change": "points", "__change_ratio": "percent",
    }  # fmt: skip


def test_words_of_headings_are_not_broken_in_a_narrow_terminal(ask: Ask) -> None:
    result = ask(
        "cases", "complaints,satisfaction_rate", "org.l2", period="2026-03", compare="previous",
        language="en",
    )  # fmt: skip
    text = "\n".join(drawn(result, width=120))
    assert (text.count("Complaints"), text.count("Satisfied")) == (4, 4)
    # Where they do not fit, figures go before words, and no column is lost.
    narrow = "\n".join(drawn(result, 70))
    assert narrow.count("Complaints") < 4 and narrow.count("│") == text.count("│")
    assert next(line for line in narrow.splitlines() if line.startswith("└")).count("┴") == 8


def test_what_stands_below_a_narrow_table_is_not_folded_into_it(ask: Ask) -> None:
    *_, said = drawn(ask("cases", "cases", period="last 3 days", language="en"))
    assert said == "Created: 2026-03-28 to 2026-03-30"


def test_months_and_quarters_are_shown_as_they_are_asked_for(ask: Ask) -> None:
    result = ask("cases", "cases", "created.quarter,created.month", period="2026-03")
    assert any(line.split()[1:4] == ["2026-Q1", "│", "2026-03"] for line in drawn(result))


def test_an_answer_without_rows_says_so(ask: Ask) -> None:
    result = ask("cases", "cases", "kind", period="2001", language="en")
    assert drawn(result)[-2:] == ["No rows", "Created: 2001-01-01 to 2001-12-31"]


def test_a_null_member_is_told_apart_from_a_total(ask: Ask) -> None:
    text = "\n".join(drawn(ask("cases", "cases", "org.l2", totals="grand")))
    assert "（空）" in text and "合计" in text


def test_figures_are_never_cut_short_in_a_narrow_terminal(ask: Ask) -> None:
    result = ask("sales", "revenue,average_revenue", "org.l2", period="2026-03", compare="previous")
    assert any("260.15" in line for line in drawn(result, width=70))


def test_a_text_of_the_data_commands_no_terminal() -> None:
    result = CubeResult(
        columns=(Column("name", "Name", "string", "member"),),
        rows=[{"name": "a\x1b[2Jb"}, {"name": "c\rd\x00\x9b31me"}, {"name": "[red]f[/red]"}],
        totals=[],
        sql="select 1",
    )
    lines = "\n".join(drawn(result))
    assert "a\N{REPLACEMENT CHARACTER}[2Jb" in lines
    assert "c\N{REPLACEMENT CHARACTER}d" + "\N{REPLACEMENT CHARACTER}" * 2 + "31me" in lines
    assert "[red]f[/red]" in lines


def test_what_json_has_no_number_for_is_a_text() -> None:
    result = CubeResult(
        columns=(Column("share", "Share", "number", "measure"),),
        rows=[
            {"share": value} for value in (float("nan"), float("inf"), float("-inf"), 0.5, 1e308)
        ],
        totals=[],
        sql="select 1",
    )
    told = json.loads(result.to_json(), parse_constant=lambda name: f"no JSON: {name}")
    assert [row["share"] for row in told["rows"]] == ["NaN", "Infinity", "-Infinity", 0.5, 1e308]
