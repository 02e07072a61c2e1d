"""Calendars made of rule rows: what was announced, base calendars, hours of a date's own."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from cubes.errors import DeclarationError, QueryError
from cubes.local_clock import read_instant, zone_of
from cubes.rule_calendar import read_seed_calendar
from cubes.rule_table import RULE_TABLES, RuleRow, read_rule_tables
from cubes.working_calendar import WorkingCalendar
from cubes.working_time import elapsed
from pipelines.settings import PROJECT_ROOT

ZONE = zone_of("Asia/Shanghai")


def rows(table: str, *cells: dict[str, str], is_operator: bool = False) -> list[RuleRow]:
    empty = dict.fromkeys(RULE_TABLES[table], "")
    return [
        RuleRow(table, f"{table}.csv", line, line - 1, {**empty, **row}, is_operator)
        for line, row in enumerate(cells, 2)
    ]


def tables(**more: list[RuleRow]) -> dict[str, list[RuleRow]]:
    """Calendar `china`, mornings from Monday to Friday, with what is added to it."""
    found = {
        "calendar": rows(
            "calendar", {"calendar_id": "china", "needs_notice": "true", "makeup_weekday": "1"}
        ),
        "calendar_template": rows(
            "calendar_template",
            *(
                {"calendar_id": "china", "weekday": day, "starts": "09:00", "ends": "12:00"}
                for day in "12345"
            ),
        ),
        "calendar_day": [],
        "calendar_notice": rows(
            "calendar_notice", {"calendar_id": "china", "year": "2026", "announced": "2025-11"}
        ),
    }
    return {name: [*known, *more.get(name, [])] for name, known in found.items()}


def day(**cells: str) -> dict[str, str]:
    return {"calendar_id": "china", "is_working": "true", "name": "春节", **cells}


def made(
    given: dict[str, list[RuleRow]], known_at: str | None = None, name: str = "china"
) -> WorkingCalendar:
    known = None if known_at is None else read_instant(known_at, ZONE)
    return read_seed_calendar(name, given, zone="Asia/Shanghai", known_at=known)


def hours_on(calendar: WorkingCalendar, on: str) -> float:
    begin = read_instant(on, calendar.zone)
    end = datetime.fromisoformat(f"{on}T23:59:59").replace(tzinfo=begin.tzinfo)
    return elapsed(calendar, begin, end).total_seconds() / 3600


def test_the_row_announced_last_counts_from_when_it_is_known() -> None:
    given = tables(
        calendar_day=rows(
            "calendar_day",
            day(date_on="2026-02-14", announced="2025-11"),
            day(date_on="2026-02-14", is_working="false", announced="2026-01-27"),
            day(date_on="2026-02-14", is_working="", announced="2026-01-29T18:30"),
            day(date_on="2026-02-16", is_working="false"),
        )
    )
    kinds = [
        made(given, known).day(date(2026, 2, 14)).kind
        for known in ("2025-11-29T23:59", "2025-11-30", "2026-01-27", "2026-01-29T18:30")
    ]
    assert kinds == ["week", "makeup", "holiday", "week"]
    assert made(given).day(date(2026, 2, 14)).is_working is False
    off = made(given, "2020-01-01").day(date(2026, 2, 16))
    assert (off.kind, off.name, off.spans) == ("holiday", "春节", ())


def test_an_operators_row_beats_a_shipped_one_of_the_same_time() -> None:
    shipped = rows(
        "calendar_day", day(date_on="2026-03-02", is_working="false", announced="2026-01")
    )
    own = rows(
        "calendar_day",
        day(date_on="2026-03-02", announced="2026-01", starts="20:00", ends="24:00"),
        day(date_on="2026-03-02", announced="2026-01", starts="09:00", ends="10:00"),
        is_operator=True,
    )
    calendar = made(tables(calendar_day=[*own, *shipped]))
    assert hours_on(calendar, "2026-03-02") == pytest.approx(5, abs=0.001)


def test_a_makeup_day_has_the_hours_of_a_weekday_it_names_or_of_the_calendars_own() -> None:
    week = rows(
        "calendar_template",
        {"calendar_id": "china", "weekday": "5", "starts": "14:00", "ends": "15:00"},
    )
    days = rows(
        "calendar_day",
        day(date_on="2026-02-14"),
        day(date_on="2026-02-28", like_weekday="5"),
    )
    calendar = made(tables(calendar_template=week, calendar_day=days))
    assert hours_on(calendar, "2026-02-14") == 3
    assert hours_on(calendar, "2026-02-28") == 4
    assert calendar.day(date(2026, 2, 28)).kind == "makeup"


def test_what_a_calendar_says_of_its_own_beats_its_base() -> None:
    given = tables(
        calendar=rows(
            "calendar",
            {"calendar_id": "hall", "base_calendar_id": "china", "zone": "Asia/Urumqi"},
        ),
        calendar_template=rows(
            "calendar_template",
            {
                "calendar_id": "hall",
                "valid_from": "2026-07-01",
                "weekday": "6",
                "starts": "10:00",
                "ends": "16:00",
            },
            {"calendar_id": "hall", "valid_from": "2026-08-01", "weekday": "0"},
        ),
        calendar_day=rows(
            "calendar_day",
            day(date_on="2026-02-16", is_working="false"),
            day(date_on="2026-02-17", is_working="false"),
            {"calendar_id": "hall", "date_on": "2026-02-17", "is_working": ""},
        ),
    )
    hall = made(given, name="hall")
    assert hall.zone.key == "Asia/Urumqi"
    told = [hours_on(hall, on) for on in ("2026-02-16", "2026-02-17", "2026-06-30")]
    assert told == [0, 3, 3]
    # From July on it has a week of its own, and from August on none at all.
    assert [hours_on(hall, on) for on in ("2026-07-01", "2026-07-04", "2026-08-08")] == [0, 6, 0]
    years = [hall.day(date(year, 6, 1)).is_provisional for year in (2026, 2027)]
    assert years == [False, True]
    assert made(given, "2025-11-29").day(date(2026, 6, 1)).is_provisional


def test_a_calendar_that_nobody_knows_and_rows_that_contradict_are_refused() -> None:
    with pytest.raises(QueryError, match=r"no calendar 'chnia' \(did you mean 'china'"):
        made(tables(), name="chnia")
    circle = rows("calendar", {"calendar_id": "china", "base_calendar_id": "china"})
    with pytest.raises(DeclarationError, match="based on itself"):
        made({**tables(), "calendar": circle})


def test_the_shipped_rows_tell_the_spring_festivals_of_2020_and_2026() -> None:
    faults: list[Any] = []
    shipped = read_rule_tables(PROJECT_ROOT / "dbt_project" / "seeds", faults)
    assert not faults
    before, after = made(shipped, "2020-01-26T12:00"), made(shipped, "2020-01-27T12:00")
    # The holiday was extended to 02-02 on 01-27, which took the make-up day of 02-01 off.
    assert [hours_on(one, "2020-02-01") for one in (before, after)] == [7.5, 0]
    assert [hours_on(one, "2020-01-31") for one in (before, after)] == [7.5, 0]
    assert hours_on(made(shipped), "2026-02-14") == 7.5
    assert made(shipped).day(date(2027, 6, 1)).is_provisional
