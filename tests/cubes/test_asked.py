"""What an answer is of is told with it: days, members, units."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from cubes.asked import AskedMembers, AskedTime
from cubes.catalogue import Catalogue, load_catalogue
from cubes.drill_through import drill_through
from cubes.page import page_html
from cubes.period import Period
from cubes.query import run_query
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
        "times": [{"time": "created", "start": "2026-03-01", "end": "2026-03-31"}],
        "cuts": {"kind": ["complaint", None], "org": ["四川/成都"]},
        "units": ["5101"],
        "is_possible": True,
    }
    assert "2026-03-01 至 2026-03-31" in page_html(result, title="x")


def test_an_answer_about_everything_tells_nothing_more(ask: Ask) -> None:
    assert remarks(ask("cases", "cases"), "zh") == []


def test_days_that_cannot_be_are_told(ask: Ask) -> None:
    result = ask("cases", "cases", cuts={"created": "2026-01"}, period="2026-03", language="en")
    assert "the period and cuts share no day" in remarks(result, "en")
    assert result.to_mapping()["asked"]["is_possible"] is False


def test_days_with_gaps_and_facts_without_a_date_are_told_as_such(ask: Ask) -> None:
    days = ask("cases", "cases", cuts={"created": ["2026-03-01", "2026-03-03"]})
    assert days.to_mapping()["asked"]["times"] == [
        {"time": "created", "start": "2026-03-01", "end": "2026-03-03",
         "days": ["2026-03-01", "2026-03-03"]}
    ]  # fmt: skip
    both = ask("cases", "cases", cuts={"created": None}, period="2026-03")
    assert both.to_mapping()["asked"]["times"] == [
        {"time": "created", "start": "2026-03-01", "end": "2026-03-31"},
        {"time": "created", "is_null": True},
    ]


def test_a_key_is_told_by_the_name_of_the_only_member_it_can_mean(tmp_path: Path) -> None:
    """Unit 1 has the code 2, which is the id of the other; ware 2 is named 3, ware 3 is named c."""
    for name, text in SMALL.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    catalogue = load_catalogue([tmp_path])
    with duckdb.connect() as connection:
        connection.execute("create table unit (id int, code varchar, kind int)")
        connection.execute("insert into unit values (1, '2', 7), (2, 'x', 8)")
        connection.execute("create table unit_kind as select 7 as id, 'Mine' as label")
        connection.execute("insert into unit_kind values (8, 'Hidden')")
        connection.execute(
            "create table ware as select * from (values (2, '3'), (3, 'c')) t(id, name)"
        )
        connection.execute("create table bill as select 1 as unit, 2 as ware union all select 2, 3")

        def told(cuts: dict[str, str], scope: Scope) -> list[str]:
            query = CubeQuery.from_mapping({"cube": "bill", "measures": "bills", "cuts": cuts})
            found = run_query(
                catalogue, connection, query, scope=scope, business_date=None, language="en"
            )
            return remarks(found, "en")[:1]

        mine = Scope.units(["1"])
        assert told({"unit": "#2"}, mine) == ["Unit: Mine"]
        assert told({"unit": "#2"}, Scope.all()) == ["Unit: #2"]
        assert told({"unit": "#x"}, Scope.all()) == ["Unit: Hidden"]
        assert told({"ware": "2"}, Scope.all()) == ["Ware: 3"]
        assert told({"ware": "3"}, Scope.all()) == ["Ware: 3"]
        assert told({"ware": "2..3"}, Scope.all()) == ["Ware: 2..3"]


SMALL = {
    "dimensions/unit.yml": """\
dimension: unit
label: {zh: 单位, en: Unit}
table: unit
key: id
code: code
scope: true
parent: {table: unit_kind, key: id, on: kind}
name: parent.label
""",
    "dimensions/ware.yml": """\
dimension: ware
label: {zh: 货品, en: Ware}
table: ware
key: id
name: name
""",
    "definitions/bill.yml": """\
cube: bill
fact: bill
joins: {unit: unit, ware: ware}
measures: {bills: {agg: count}}
""",
}


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
