"""Comparisons with days of the same kind, a month, and the lunar year, by hand over real dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cubes.catalogue import Catalogue, load_catalogue
from cubes.errors import QueryError
from cubes.query import CubeQuery, CubeResult, run_query
from cubes.scope import Scope

VISIT = """
cube: visit
fact: visit
time: {seen: seen_on}
measures:
  visits: {agg: sum, sql: visits}
  last: {agg: sum, sql: visits, over_time: last}
"""

# As announced by the State Council for 2025 and 2026, the days this file asks about.
OFF = {
    *(date(2025, 10, day) for day in range(1, 9)),
    *(date(2026, 1, day) for day in (1, 2, 3)),
    *(date(2026, 2, day) for day in range(15, 24)),
}
MAKE_UP = {date(2025, 10, 11), date(2026, 1, 4), date(2026, 2, 14), date(2026, 2, 28)}

# Spring Festival, Dragon Boat and Mid-Autumn as the almanac has them.
FESTIVALS = {
    date(2025, 1, 29): (1, 1),
    date(2025, 5, 31): (5, 5),
    date(2025, 10, 6): (8, 15),
    date(2026, 2, 17): (1, 1),
    date(2026, 6, 19): (5, 5),
    date(2026, 9, 25): (8, 15),
}
FIRST = date(2025, 1, 1)


def number(day: date) -> int:
    """The visits of a day: a different figure each day, so that no other day passes for it."""
    return (day - FIRST).days + 1


@pytest.fixture(scope="module")
def clinic(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Catalogue, duckdb.DuckDBPyConnection]]:
    folder: Path = tmp_path_factory.mktemp("clinic")
    (folder / "definitions").mkdir()
    (folder / "definitions" / "visit.yml").write_text(VISIT)
    days = [FIRST + timedelta(days=index) for index in range(730)]
    with duckdb.connect() as connection:
        connection.execute("create table visit (seen_on date, visits int)")
        connection.executemany("insert into visit values (?, ?)", [(d, number(d)) for d in days])
        connection.execute(
            "create table dim_date (date_on date, is_workday boolean, lunar_month int, "
            "lunar_day int, is_leap_month boolean)"
        )
        connection.executemany(
            "insert into dim_date values (?, ?, ?, ?, false)",
            [
                (
                    day,
                    day in MAKE_UP or (day.isoweekday() < 6 and day not in OFF),
                    *FESTIVALS.get(day, (2, 2)),
                )
                for day in days
            ],
        )
        # A leap month holds a second fifteenth of the eighth month, which is no festival.
        connection.execute("insert into dim_date values ('2027-01-01', true, 8, 15, true)")
        yield load_catalogue([folder]), connection


def ask(clinic: Any, period: str, compare: str, by: str = "", **rest: Any) -> CubeResult:
    catalogue, connection = clinic
    query = CubeQuery.from_mapping(
        {"cube": "visit", "measures": "visits,last", "by": by, "period": period,
         "compare": compare, **rest}
    )  # fmt: skip
    return run_query(
        catalogue, connection, query, scope=Scope.all(), business_date=date(2026, 3, 2)
    )


def test_a_working_day_is_held_against_the_last_one_of_its_weekday(clinic: Any) -> None:
    result = ask(clinic, "2026-02-24..2026-02-28", "same_working_day", "seen.day")
    # Tuesday to Friday before the holiday, and the make-up Saturday before it.
    expected = {24: 10, 25: 11, 26: 12, 27: 13, 28: 14}
    assert len(result.rows) == 5
    for row in result.rows:
        before = date(2026, 2, expected[row["seen.day"].day])
        assert row["visits"] == number(row["seen.day"])
        assert row["visits__previous"] == number(before)
        assert row["visits__change"] == row["visits"] - row["visits__previous"]
    whole = ask(clinic, "2026-02-24..2026-02-28", "same_working_day").rows[0]
    assert whole["visits__previous"] == sum(number(date(2026, 2, d)) for d in range(10, 15))
    assert whole["last__previous"] == number(date(2026, 2, 14))


def test_a_week_so_far_is_held_against_the_same_days_of_the_week_before(clinic: Any) -> None:
    # The business date is a Monday: a period of one day, whose day before would be a Sunday.
    result = ask(clinic, "week to date", "previous")
    assert result.to_mapping()["compared"] == {"start": "2026-02-23", "end": "2026-02-23"}
    assert result.rows[0]["visits__previous"] == number(date(2026, 2, 23))


def test_a_day_off_is_held_against_a_day_off(clinic: Any) -> None:
    result = ask(clinic, "2026-02-16", "same_working_day")
    assert result.rows[0]["visits__previous"] == number(date(2025, 10, 6))
    assert result.to_mapping()["compared"] == {"start": "2025-10-06", "end": "2025-10-06"}


def test_two_weeks_are_held_against_as_many_days_of_each_kind(clinic: Any) -> None:
    result = ask(clinic, "2026-03-02..2026-03-15", "same_working_day", "seen.day")
    pairs = {row["seen.day"]: row["visits__previous"] for row in result.rows}
    # Tuesdays 24 and, the 17th being off, 10; the Saturday of 28 February was a working day.
    assert pairs[date(2026, 3, 10)] == number(date(2026, 2, 24))
    assert pairs[date(2026, 3, 3)] == number(date(2026, 2, 10))
    assert pairs[date(2026, 3, 14)] == number(date(2026, 2, 21))
    assert pairs[date(2026, 3, 7)] == number(date(2026, 2, 7))
    assert len(pairs) == 14


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("2026-02-10..2026-02-20", "2025-01-22", "2025-02-01"),
        ("2026-02", "2025-01-13", "2025-02-09"),
        ("2026-06-10..2026-06-30", "2025-05-22", "2025-06-11"),
        ("2026-09-20..2026-09-26", "2025-10-01", "2025-10-07"),
        ("2026", "2024-12-13", "2025-12-12"),
    ],
)
def test_the_lunar_year_lays_festival_on_festival(
    clinic: Any, period: str, start: str, end: str
) -> None:
    result = ask(clinic, period, "lunar_year")
    assert result.to_mapping()["compared"] == {"start": start, "end": end}


def test_days_around_spring_festival_line_up_with_those_a_lunar_year_before(clinic: Any) -> None:
    result = ask(clinic, "2026-02-15..2026-02-18", "lunar_year", "seen.day")
    found = {row["seen.day"].day: row["visits__previous"] for row in result.rows}
    assert found == {
        15: number(date(2025, 1, 27)),
        16: number(date(2025, 1, 28)),
        17: number(date(2025, 1, 29)),
        18: number(date(2025, 1, 30)),
    }


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("2026-03-31", "2026-02-28", "2026-02-28"),
        ("2026-03", "2026-02-01", "2026-02-28"),
        ("2026-Q1", "2025-12-01", "2026-02-28"),
        ("month to date", "2026-02-01", "2026-02-02"),
    ],
)
def test_a_month_back(clinic: Any, period: str, start: str, end: str) -> None:
    assert ask(clinic, period, "month").to_mapping()["compared"] == {"start": start, "end": end}


def test_the_previous_working_days_line_up_day_by_day(clinic: Any) -> None:
    result = ask(clinic, "last 3 working days", "previous", "seen.day")
    found = {row["seen.day"]: row["visits__previous"] for row in result.rows}
    assert found == {
        date(2026, 2, 27): number(date(2026, 2, 24)),
        date(2026, 2, 28): number(date(2026, 2, 25)),
        date(2026, 3, 2): number(date(2026, 2, 26)),
    }


@pytest.mark.parametrize(
    ("period", "compare", "by", "said"),
    [
        ("2026-02-16", "same_working_day", "seen.month", "ask by 'seen.day'"),
        ("2026-02-10..2026-02-20", "lunar_year", "seen.week", "cannot align 'seen.week'"),
        ("2025-01-02", "same_working_day", "", "does not reach back"),
        ("2030-01-02", "same_working_day", "", "does not know 2030-01-02"),
        ("2025-01-20", "lunar_year", "", "knows no festival"),
        ("2031", "lunar_year", "", "knows no festival"),
        ("2026-01-01..", "lunar_year", "", "both ends"),
        ("2026-03", "lunar", "", "did you mean 'lunar_year'"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    clinic: Any, period: str, compare: str, by: str, said: str
) -> None:
    with pytest.raises(QueryError, match=said):
        ask(clinic, period, compare, by)


def test_without_a_calendar_such_comparisons_say_what_they_need(clinic: Any) -> None:
    catalogue, _ = clinic
    with duckdb.connect() as bare:
        bare.execute("create table visit (seen_on date, visits int)")
        with pytest.raises(QueryError, match="need the table dim_date with date_on, is_workday"):
            ask((catalogue, bare), "2026-02-16", "same_working_day")


BILL = """
cube: bill
fact: bill
time: {billed: {sql: month_on, grain: month}}
measures:
  bills: {agg: sum, sql: bills}
"""


@pytest.fixture(scope="module")
def office(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Catalogue, duckdb.DuckDBPyConnection]]:
    folder: Path = tmp_path_factory.mktemp("office")
    (folder / "definitions").mkdir()
    (folder / "definitions" / "bill.yml").write_text(BILL)
    with duckdb.connect() as connection:
        # Month n counts 2^n from January 2025 on, so a sum tells which months are in it.
        connection.execute(
            "create table bill as select cast(date '2025-01-01' + to_months(cast(n as integer)) "
            "as date) as month_on, cast(2 ** n as bigint) as bills from range(18) as t (n)"
        )
        yield load_catalogue([folder]), connection


def bills(
    office: tuple[Catalogue, duckdb.DuckDBPyConnection], day: date, **question: Any
) -> tuple[int, int]:
    catalogue, connection = office
    query = CubeQuery.from_mapping({"cube": "bill", "measures": ["bills"], **question})
    answer = run_query(catalogue, connection, query, scope=Scope.all(), business_date=day)
    return answer.rows[0]["bills"], answer.rows[0]["bills__previous"]


@pytest.mark.parametrize(
    ("period", "compare", "now", "before"),
    [
        # The month that begins in the last month before 15 February, and the one before it.
        ("last 1 month", "previous", [13], [12]),
        ("last 1 month", "year", [13], [1]),
        ("last 2 months", "previous", [12, 13], [10, 11]),
        ("month to date", "previous", [13], [12]),
        ("2026-02-01..2026-03-31", "previous", [13, 14], [11, 12]),
        ("2026-01-20..2026-03-05", "previous", [12, 13, 14], [9, 10, 11]),
        ("2026-01-20..2026-03-05", "month", [12, 13, 14], [11, 12, 13]),
        ("2026-02..2026-03", "year", [13, 14], [1, 2]),
    ],
)
def test_a_monthly_fact_is_compared_with_as_many_months(
    office: tuple[Catalogue, duckdb.DuckDBPyConnection],
    period: str,
    compare: str,
    now: list[int],
    before: list[int],
) -> None:
    told = bills(office, date(2026, 2, 15), period=period, compare=compare)
    assert told == (sum(2**n for n in now), sum(2**n for n in before))


def test_a_monthly_fact_cut_twice_is_compared_with_as_many_months(
    office: tuple[Catalogue, duckdb.DuckDBPyConnection],
) -> None:
    cut = {"billed.month": "2026-01-15..2026-03-15"}
    told = bills(office, date(2026, 2, 15), period="2026-02..", cuts=cut, compare="previous")
    assert told == (2**13 + 2**14, 2**11 + 2**12)


@pytest.mark.parametrize("compare", ["same_weekday", "same_working_day", "lunar_year"])
def test_a_monthly_fact_has_no_comparison_of_days(
    office: tuple[Catalogue, duckdb.DuckDBPyConnection], compare: str
) -> None:
    _, connection = office
    connection.execute(
        "create or replace table dim_date as select date '2026-02-17' as date_on, "
        "false as is_workday, 1 as lunar_month, 1 as lunar_day, false as is_leap_month"
    )
    with pytest.raises(QueryError, match="knows months only; compare with previous, month, year"):
        bills(office, date(2026, 3, 31), period="2026-03", compare=compare)


def test_a_comparison_by_day_shows_no_day_outside_the_period(
    clinic: tuple[Catalogue, duckdb.DuckDBPyConnection],
) -> None:
    catalogue, connection = clinic
    query = CubeQuery.from_mapping(
        {
            "cube": "visit",
            "measures": ["visits"],
            "by": ["seen.day"],
            "period": "2026-03-30..2026-03-31",
            "compare": "month",
        }
    )
    answer = run_query(catalogue, connection, query, scope=Scope.all(), business_date=None)
    # Of 30 and 31 March a month before there is 28 February alone, which is neither's counterpart.
    assert [(row["seen.day"], row["visits__previous"]) for row in answer.rows] == [
        (date(2026, 3, 30), 0),
        (date(2026, 3, 31), 0),
    ]


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (
            {"period": "2026-03", "cuts": {"seen": "2026-01"}},
            "the period and the cuts of a time have none in common",
        ),
        ({"cuts": {"seen": ["2026-01", "2026-03"]}}, "are no single period"),
    ],
)
def test_a_comparison_without_one_period_says_what_is_wrong(
    clinic: tuple[Catalogue, duckdb.DuckDBPyConnection], question: dict[str, Any], told: str
) -> None:
    catalogue, connection = clinic
    mapping = {"cube": "visit", "measures": ["visits"], "compare": "previous", **question}
    query = CubeQuery.from_mapping(mapping)
    with pytest.raises(QueryError, match=told):
        run_query(catalogue, connection, query, scope=Scope.all(), business_date=None)
