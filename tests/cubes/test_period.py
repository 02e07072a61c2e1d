"""Periods and the periods they are compared with."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubes.compared_period import compared_period
from cubes.errors import QueryError
from cubes.period import (
    Period,
    add_months,
    intersection,
    parse_period,
    to_months,
    union,
)
from cubes.query_calendar import QueryCalendar

DAY = date(2026, 3, 30)
WORKING = [date(2026, 3, day) for day in (16, 17, 18, 19, 20, 23, 24, 25, 26, 27, 30)]

CALENDAR = QueryCalendar(working_days=tuple(WORKING))


def bounds(text: str) -> tuple[str, str]:
    period = parse_period(text, DAY, WORKING)
    return str(period.start), str(period.end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-03-30", "2026-03-30", "2026-03-30"),
        ("2026-02", "2026-02-01", "2026-02-28"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2026", "2026-01-01", "2026-12-31"),
        ("2026-Q1", "2026-01-01", "2026-03-31"),
        ("2026-02..2026-03-15", "2026-02-01", "2026-03-15"),
        ("2026-03-01 .. 2026-03", "2026-03-01", "2026-03-31"),
        ("last 7 days", "2026-03-24", "2026-03-30"),
        ("last 1 day", "2026-03-30", "2026-03-30"),
        ("last 2 weeks", "2026-03-17", "2026-03-30"),
        ("last 3 months", "2025-12-31", "2026-03-30"),
        ("last 3 working days", "2026-03-26", "2026-03-30"),
        ("month to date", "2026-03-01", "2026-03-30"),
        ("week to date", "2026-03-30", "2026-03-30"),
        ("quarter to date", "2026-01-01", "2026-03-30"),
        ("year to date", "2026-01-01", "2026-03-30"),
        ("last full week", "2026-03-23", "2026-03-29"),
        ("last full month", "2026-02-01", "2026-02-28"),
        ("last full quarter", "2025-10-01", "2025-12-31"),
        ("last full year", "2025-01-01", "2025-12-31"),
    ],
)
def test_a_period_has_inclusive_ends(text: str, start: str, end: str) -> None:
    assert bounds(text) == (start, end)


@pytest.mark.parametrize(
    ("day", "text", "start", "end"),
    [
        (date(2026, 3, 31), "month", "2026-03-01", "2026-03-31"),
        (date(2026, 3, 31), "quarter", "2026-01-01", "2026-03-31"),
        (date(2025, 12, 31), "year", "2025-01-01", "2025-12-31"),
        (date(2026, 3, 29), "week", "2026-03-23", "2026-03-29"),
        (date(2026, 4, 1), "month", "2026-03-01", "2026-03-31"),
    ],
)
def test_a_unit_that_ends_on_the_business_date_is_full(
    day: date, text: str, start: str, end: str
) -> None:
    found = parse_period(f"last full {text}", day)
    assert (str(found.start), str(found.end)) == (start, end)


@pytest.mark.parametrize(
    ("text", "comparison", "start", "end"),
    [
        ("2026-03-30", "previous", "2026-03-29", "2026-03-29"),
        ("2026-03-30", "same_weekday", "2026-03-23", "2026-03-23"),
        ("2026-03-30", "year", "2025-03-30", "2025-03-30"),
        ("2024-02-29", "year", "2023-02-28", "2023-02-28"),
        ("2026-03", "previous", "2026-02-01", "2026-02-28"),
        ("2025-02", "year", "2024-02-01", "2024-02-29"),
        ("2026", "previous", "2025-01-01", "2025-12-31"),
        ("2026-01..2026-03", "previous", "2025-10-01", "2025-12-31"),
        ("last 7 days", "previous", "2026-03-17", "2026-03-23"),
        ("month to date", "previous", "2026-02-01", "2026-02-28"),
        ("2026-03-01..2026-03-10", "previous", "2026-02-19", "2026-02-28"),
        ("last 3 working days", "previous", "2026-03-23", "2026-03-25"),
    ],
)
def test_the_compared_period(text: str, comparison: str, start: str, end: str) -> None:
    period = parse_period(text, DAY, WORKING)
    compared, _ = compared_period(period, comparison, CALENDAR)  # type: ignore[arg-type]
    assert (str(compared.start), str(compared.end)) == (start, end)


@pytest.mark.parametrize(
    "text",
    ["", "2026-13", "2026-02-29", "last 0 days", "..", "2026-03..2026-02", "tomorrow", "last week"],
)
def test_what_is_no_period_is_refused_with_the_syntax(text: str) -> None:
    with pytest.raises(QueryError, match="Expected one of"):
        parse_period(text, DAY)


def test_a_relative_period_needs_a_business_date() -> None:
    with pytest.raises(QueryError, match="needs a business date"):
        parse_period("last 7 days", None)


def test_working_days_need_a_calendar_that_reaches_back() -> None:
    with pytest.raises(QueryError, match="does not reach back"):
        parse_period("last 12 working days", DAY, WORKING)


days = st.dates(date(2020, 1, 1), date(2030, 12, 31))


@given(days, st.integers(0, 40), days, st.integers(0, 40))
def test_union_and_intersection_are_those_of_the_sets_of_days(
    a: date, n: int, b: date, m: int
) -> None:
    from datetime import timedelta

    first, second = Period(a, a + timedelta(days=n)), Period(b, b + timedelta(days=m))
    one = {a + timedelta(days=i) for i in range(n + 1)}
    two = {b + timedelta(days=i) for i in range(m + 1)}
    assert set(union([first, second]).days or ()) == one | two
    both = intersection(first, second)
    if not one & two:
        assert both is None
    else:
        assert both is not None
        assert (both.start, both.end) == (min(one & two), max(one & two))


@given(days, st.integers(-60, 60))
def test_adding_months_keeps_the_day_or_takes_the_last(day: date, months: int) -> None:
    moved = add_months(day, months)
    assert (moved.year * 12 + moved.month) - (day.year * 12 + day.month) == months
    assert moved.day == day.day or (moved.day < day.day and add_months(moved, 0) == moved)


def test_a_monthly_fact_sees_the_months_a_period_touches() -> None:
    period = to_months(parse_period("2026-02-10..2026-03-05", DAY))
    assert period == Period(date(2026, 2, 1), date(2026, 3, 1), months=2)


@pytest.mark.parametrize("comparison", ["previous", "same_weekday", "year"])
def test_a_comparison_that_reaches_before_the_first_year_is_refused(comparison: str) -> None:
    with pytest.raises(QueryError, match="before the year 1"):
        compared_period(parse_period("0001-01-01..0001-01-31", DAY), comparison, CALENDAR)  # type: ignore[arg-type]
