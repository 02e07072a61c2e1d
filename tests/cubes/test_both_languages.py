"""Whatever is asked wrongly is told in Chinese and in English, with the wrong word in both."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubes.catalogue import Catalogue, load_catalogue
from cubes.compared_period import compared_period
from cubes.drill_through import drill_through
from cubes.errors import AnswerTooLarge, AnswerTooSlow, QueryError
from cubes.limits import within_seconds
from cubes.named_query import NamedQuery, run_named_query
from cubes.period import Comparison, Period, days_of, parse_period
from cubes.query import CubeQuery, fetch, run_query
from cubes.query_calendar import NO_CALENDAR, QueryCalendar
from cubes.rule_calendar import read_seed_calendar
from cubes.scope import Scope
from cubes.scope_choice import find_units
from cubes.select_check import select_tree
from cubes.warehouse import read_warehouse
from tests.cubes.conftest import BUSINESS_DATE, Ask
from tests.cubes.test_rule_calendar import tables

HAN = re.compile("[一-鿿]")


def heard(ask: Callable[[], object], word: str) -> QueryError:
    """The refusal of what `ask` asks, which says the word and the same suggestion in both."""
    with pytest.raises(QueryError) as caught:
        ask()
    error = caught.value
    zh, en = error.text("zh"), error.text("en")
    assert str(error) == en
    assert word in en and word in zh, (zh, en)
    assert HAN.search(re.sub("“[^”]*”", "", zh)) and zh.endswith("。"), zh
    assert re.findall("是不是“([^”]*)”", zh) == re.findall("did you mean '([^']*)'", en)
    return error


CASES = {"cube": "cases", "measures": "cases"}


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ({"cube": "case", "measures": "cases"}, "case"),
        ({"measures": "cases"}, "cube"),
        ({"cube": "cases"}, "measures"),
        ({"cube": "cases", "measures": 7}, "7"),
        ({"cube": "cases", "measures": "complants"}, "complants"),
        ({"cube": "cases", "measures": "cases,cases"}, "cases"),
        ({**CASES, "limits": 3}, "limits"),
        ({**CASES, "limit": "ten"}, "ten"),
        ({**CASES, "limit": -1}, "limit"),
        ({**CASES, "keys": "yes"}, "yes"),
        ({**CASES, "cuts": "org"}, "cuts"),
        ({**CASES, "cuts": {"kind": []}}, ""),
        ({**CASES, "cuts": {"kind": "\udc80"}}, "udc80"),
        ({**CASES, "cuts": {"kind": "complant"}}, "complant"),
        ({**CASES, "cuts": {"kind": ".."}}, "kind"),
        ({**CASES, "cuts": {"org": "成都"}}, "成都"),
        ({**CASES, "cuts": {"org": "四川..云南"}}, "四川..云南"),
        ({**CASES, "cuts": {"org.l1": "四川/成都"}}, "四川/成都"),
        ({**CASES, "cuts": {"org": "a/b/c/d"}}, "a/b/c/d"),
        ({**CASES, "cuts": {"created": [None, "2026-03"]}}, "created"),
        ({**CASES, "cuts": {"created": "2026-02-30"}}, "2026-02-30"),
        ({**CASES, "by": "cases"}, "cases"),
        ({**CASES, "by": "orgg.l2"}, "orgg.l2"),
        ({**CASES, "by": "created.months"}, "months"),
        ({**CASES, "by": "created.week,created.month", "fill": "zero"}, "fill"),
        ({**CASES, "by": "resolved.day", "fill": "zero"}, "resolved.day"),
        ({**CASES, "fill": "ones"}, "ones"),
        ({**CASES, "time": "creatd"}, "creatd"),
        ({**CASES, "period": "yesterdy"}, "yesterdy"),
        ({**CASES, "order": "-case"}, "case"),
        ({**CASES, "order": "cases down"}, "cases down"),
        ({**CASES, "compare": "yeer"}, "yeer"),
        ({**CASES, "compare": "year"}, "compare: year"),
        ({**CASES, "compare": "lunar_year", "period": "2026-03"}, "lunar_month"),
        ({**CASES, "compare": "year", "period": "2026", "cuts": {"created": "2025"}}, "compare"),
        ({**CASES, "compare": "year", "period": "2026-03-05", "by": "created.week"}, "week"),
        ({"cube": "customers", "measures": "active", "by": "month.day"}, "month.day"),
        (
            {"cube": "customers", "measures": "left", "period": "2026", "compare": "same_weekday"},
            "same_weekday",
        ),
        (
            {
                **CASES,
                "by": ["org.l1", "category.l1", "customer.segment", "kind", "channel", "status",
                       "created.year"],
                "totals": "all",
            },
            "totals: all",
        ),
    ],
)  # fmt: skip
def test_a_question_asked_wrongly(ask: Ask, question: Mapping[str, Any], word: str) -> None:
    asked = {"cube": None, "measures": None, **question}
    heard(lambda: ask(asked.pop("cube"), asked.pop("measures"), **asked), word)


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"columns": ["case_number"]}, "case_number"),
        ({"order": ("reporter_key",)}, "reporter_key"),
        ({"by": ("org.l2",)}, "by"),
        ({"fill": "zero"}, "fill"),
        ({"as_was": True}, "as_was"),
    ],
)
def test_rows_asked_wrongly(
    catalogue: Catalogue, marts: duckdb.DuckDBPyConnection, asked: dict[str, Any], word: str
) -> None:
    columns = asked.pop("columns", ())
    query = CubeQuery("cases", ("cases",), **asked)
    heard(
        lambda: drill_through(
            catalogue,
            marts,
            query,
            columns=columns,
            scope=Scope.all(),
            business_date=BUSINESS_DATE,
        ),
        word,
    )


@pytest.mark.parametrize(
    ("name", "given_values", "rest", "word"),
    [
        ("daily_sale", {}, {}, "daily_sale"),
        ("daily_sales", {"bussiness_date": "2026-03-30"}, {}, "bussiness_date"),
        ("daily_sales", {"business_date": "30.3.2026"}, {}, "30.3.2026"),
        ("arrears_by_day", {"days": "y", "nothing": 1}, {}, "nothing"),
        ("arrears_by_day", {"days": "y", "nothing": 1}, {}, "days"),
        ("overdue_case_list", {}, {"keys": True}, "overdue_case_list"),
    ],
)
def test_a_named_query_asked_wrongly(
    catalogue: Catalogue,
    marts: duckdb.DuckDBPyConnection,
    name: str,
    given_values: dict[str, Any],
    rest: dict[str, Any],
    word: str,
) -> None:
    heard(
        lambda: run_named_query(
            catalogue,
            marts,
            name,
            given_values,
            scope=Scope.all(),
            business_date=BUSINESS_DATE,
            **rest,
        ),
        word,
    )


NAMED = NamedQuery.model_validate(
    {
        "query": "q",
        "sql": "select 1 as n",
        "columns": {"n": {}},
        "parameters": {
            "unit": {},
            "count": {"type": "integer", "min": 1, "max": 9, "default": 1},
            "kind": {"values": ["praise", "report"], "length": 9, "default": "praise"},
            "month": {"type": "month", "default": "2026-03"},
        },
    }
)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({}, "unit"),
        ({"unit": "x", "count": "two"}, "two"),
        ({"unit": "x", "count": 0}, "1"),
        ({"unit": "x", "count": 10}, "9"),
        ({"unit": "x", "kind": "rant"}, "rant"),
        ({"unit": "x", "kind": "complaints"}, "10"),
        ({"unit": "x", "month": "2026-13"}, "2026-13"),
    ],
)
def test_a_parameter_given_wrongly(values: dict[str, Any], word: str) -> None:
    heard(lambda: NAMED.values(values, BUSINESS_DATE), word)


def test_a_select_is_asked_for_what_only_a_cube_has(catalogue: Catalogue) -> None:
    heard(lambda: NAMED.to_query({"unit": "x"}, business_date=BUSINESS_DATE), "q")
    heard(lambda: select_tree("select 1; select 2"), "sql")
    heard(lambda: select_tree("select ("), "sql")


WORKING = [date(2026, 3, day) for day in (26, 27, 30)]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("tomorrow", "tomorrow"),
        ("2026-02-29", "2026-02-29"),
        ("last 0 days", "last 0 days"),
        ("last 9999999 days", "last 9999999 days"),
        ("last 12 working days", "dim_date"),
        ("..", ".."),
        ("2026-01..soon", "2026-01..soon"),
        ("2026-03..2026-02", "2026-03..2026-02"),
    ],
)
def test_a_period_written_wrongly(text: str, word: str) -> None:
    heard(lambda: parse_period(text, BUSINESS_DATE, WORKING), word)


def test_a_period_that_does_not_do() -> None:
    heard(lambda: parse_period("last 7 days", None), "last 7 days")
    heard(lambda: days_of(Period(None, BUSINESS_DATE)), "")
    heard(lambda: days_of(parse_period("1900..2026", None)), "20000")
    days = QueryCalendar(working_days=tuple(WORKING))
    weeks = parse_period("last 3 working days", BUSINESS_DATE, WORKING)
    heard(lambda: compared_period(weeks, "previous", days), "")


@pytest.mark.parametrize(
    ("text", "comparison", "word"),
    [
        ("2026-01-01..", "previous", "period"),
        ("0001-01", "previous", "0001-01-01"),
        ("2026-03-30", "same_working_day", "2026-03-30"),
        ("2026-03-30", "lunar_year", "2026-03-30"),
    ],
)
def test_a_period_that_cannot_be_compared(text: str, comparison: Comparison, word: str) -> None:
    heard(lambda: compared_period(parse_period(text, None), comparison, NO_CALENDAR), word)


BOARD = """
cube: board
fact: board
dimensions: {size: {sql: size}}
measures: {boards: {agg: count}, longest: {agg: max, sql: cast(kind as integer)}}
"""


def test_a_cube_of_ones_own_that_cannot_be_asked_so(tmp_path: Path) -> None:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "board.yml").write_text(BOARD)
    catalogue = load_catalogue([tmp_path])
    with duckdb.connect() as connection:

        def ask(scope: Scope | None = None, **rest: Any) -> object:
            query = CubeQuery.from_mapping({"cube": "board", "measures": ["boards"], **rest})
            scope = scope or Scope.all()
            return run_query(catalogue, connection, query, scope=scope, business_date=None)

        heard(ask, "board")
        connection.execute("create table board as select 'a' as kind, 1 as size")
        heard(lambda: ask(period="2026"), "period")
        heard(lambda: ask(as_was=True), "as_was")
        heard(lambda: ask(cuts={"size": "two..4"}), "two")
        heard(lambda: ask(measures=["longest"]), "Conversion Error")
        heard(lambda: ask(scope=Scope.units(["51"])), "board")
        warehouse = read_warehouse(connection)
        heard(lambda: find_units(catalogue, connection, warehouse, ["51"]), "scope: true")


def test_units_and_calendars_that_are_not_there(
    catalogue: Catalogue, marts: duckdb.DuckDBPyConnection
) -> None:
    warehouse = read_warehouse(marts)
    refused = heard(lambda: find_units(catalogue, marts, warehouse, ["51O1", "x"]), "51O1")
    assert "“x”" in refused.text("zh")
    heard(lambda: read_seed_calendar("chnia", tables(), zone="Asia/Shanghai"), "chnia")
    heard(lambda: read_seed_calendar("china", tables(), zone="Asia/Chengdu"), "Asia/Chengdu")


def test_an_answer_beyond_its_limits_says_which() -> None:
    with duckdb.connect() as connection:
        cursor = connection.execute("select unnest([1, 2, 3])")
        assert isinstance(heard(lambda: fetch(cursor, 2), "2"), AnswerTooLarge)

        def wait() -> None:
            with within_seconds(connection, 0.1):
                connection.execute("select count(*) from range(10000000) a, range(10000000) b")

        assert isinstance(heard(wait, "0.1"), AnswerTooSlow)


@given(st.text(min_size=1).filter(str.strip))
def test_any_word_that_is_no_name_is_told_in_both(text: str) -> None:
    catalogue = Catalogue({}, {}, {}, {})
    heard(lambda: catalogue.cube(text), text)
    heard(lambda: catalogue.named_query(text), text)
    heard(lambda: CubeQuery.from_mapping({"cube": "x", "measures": ["y"], f"no {text}": 1}), text)
