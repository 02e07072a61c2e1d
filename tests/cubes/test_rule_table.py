"""Rule tables: their form, and what is wrong with their rows taken together."""

from __future__ import annotations

import csv
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubes.errors import Fault
from cubes.rule_check import contradictions, remarks, rule_faults
from cubes.rule_table import (
    RULE_TABLES,
    RuleRow,
    announced_at,
    append_rule_rows,
    in_force,
    minute_of,
    read_rule_rows,
    read_rule_tables,
)
from tests.soak import fuzz

SEEDS = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds"
DAY_HEADER = "calendar_id,date_on,is_working,name,announced,like_weekday,starts,ends"


def read(folder: Path, table: str, *lines: str) -> tuple[list[RuleRow], list[str]]:
    path = folder / f"{table}.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    faults: list[Fault] = []
    rows = read_rule_rows(path, table, faults)
    return rows, [f"{fault.line}: {fault.message}" for fault in sorted(faults)]


def rows_of(table: str, *given: dict[str, str], is_operator: bool = False) -> list[RuleRow]:
    return [
        RuleRow(
            table,
            f"{table}.csv",
            line,
            line - 1,
            {name: values.get(name, "") for name in RULE_TABLES[table]},
            is_operator,
        )
        for line, values in enumerate(given, start=2)
    ]


def faults_of(**tables: list[RuleRow]) -> list[str]:
    known = {"calendar": rows_of("calendar", {"calendar_id": "china"}), **tables}
    return [f"{fault.file}:{fault.line}: {fault.message}" for fault in rule_faults(known)]


def test_the_shipped_tables_have_the_declared_columns_in_order_and_no_fault() -> None:
    for table, columns in RULE_TABLES.items():
        with (SEEDS / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            assert next(csv.reader(file)) == list(columns), table
    faults: list[Fault] = []
    tables = read_rule_tables(SEEDS, faults)
    assert faults == []
    assert rule_faults(tables) == []
    assert contradictions(tables["calendar_day"]) == []


def test_the_only_remark_about_the_shipped_calendars_is_the_year_without_a_notice() -> None:
    told = remarks(read_rule_tables(SEEDS, []), date(2026, 11, 30))
    assert [fault.message for fault in told] == [
        "2027 of china has no notice yet; the year is provisional"
    ]


def test_all_faults_of_form_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    rows, faults = read(
        tmp_path,
        "calendar_day",
        DAY_HEADER,
        "china,2026-02-30,true,x,2025-11,,,",
        "",
        'China,2026-02-14,yes,"two',
        'lines",2025-13,8,9:00,24:01',
        ",2026-02-14,,x,2025-11-31T25:00,,,",
        "china,2026-02-14,true",
    )
    assert faults == [
        "2: date_on: '2026-02-30' is no date such as 2026-03-31",
        "4: announced: '2025-13' is no date such as 2026-03-31, 2026-03 or 2026-03-31T18:30",
        "4: calendar_id: 'China' must be of small letters, digits and _",
        "4: ends: '24:01' is no time of day such as 09:00, up to 24:00",
        "4: is_working: 'yes' must be true or false",
        "4: like_weekday: '8' is no number from 1 to 7",
        "4: name: has a character that cannot be printed",
        "4: starts: '9:00' is no time of day such as 09:00, up to 24:00",
        "6: announced: '2025-11-31T25:00' is no date such as 2026-03-31, 2026-03 or "
        "2026-03-31T18:30",
        "6: calendar_id is empty",
        "7: has 3 cells for 8 columns",
    ]
    assert [(row.line, row.number) for row in rows] == [(2, 1), (4, 2), (6, 3)]


def test_unknown_missing_and_repeated_columns_are_told_by_name(tmp_path: Path) -> None:
    _, faults = read(tmp_path, "calendar_notice", "calendar_id,yeer,announced,announced", "a,b,c,d")
    assert faults == [
        "1: the column 'announced' is given twice",
        "1: the column 'url' is missing",
        "1: the column 'year' is missing",
        "1: the column 'yeer' is unknown (did you mean 'year'?)",
    ]


def test_unknown_zones_units_and_targets_are_told(tmp_path: Path) -> None:
    _, zones = read(
        tmp_path,
        "calendar",
        ",".join(RULE_TABLES["calendar"]),
        "hall,厅,Hall,,Asia/Chengdu,,",
    )
    assert zones == ["2: zone: 'Asia/Chengdu' is not an IANA time zone such as Asia/Shanghai"]
    cells = {name: "" for name in RULE_TABLES["sla_policy"]} | {
        "policy_id": "p", "version": "1", "ordinal": "1", "clock": "resolution", "name": "a",
        "name_en": "b", "target": "8h", "unit": "bussiness_seconds",
    }  # fmt: skip
    _, faults = read(tmp_path, "sla_policy", ",".join(cells), ",".join(cells.values()))
    assert faults == [
        "2: target: '8h' is not a number",
        "2: unit: 'bussiness_seconds' is none of business_seconds, calendar_seconds, "
        "working_days, calendar_days (did you mean 'business_seconds'?)",
    ]


def test_a_policy_holds_from_a_day_not_from_a_month(tmp_path: Path) -> None:
    cells = {name: "" for name in RULE_TABLES["sla_policy"]} | {
        "policy_id": "p", "version": "1", "ordinal": "1", "clock": "resolution", "name": "a",
        "name_en": "b", "valid_from": "2026-03",
    }  # fmt: skip
    _, faults = read(tmp_path, "sla_policy", ",".join(cells), ",".join(cells.values()))
    assert faults == [
        "2: valid_from: '2026-03' is no date such as 2026-03-31 or 2026-03-31T18:30",
    ]


@pytest.mark.parametrize("target", ["0", "0.5", "1.5"])
def test_a_target_is_a_whole_number_from_one_on(target: str) -> None:
    policy = {"policy_id": "p", "target": target, "unit": "working_days"}
    assert faults_of(sla_policy=rows_of("sla_policy", policy)) == [
        f"sla_policy.csv:2: target: '{target}' must be 1 or more, and whole"
    ]


def test_a_file_that_is_no_text_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "calendar.csv"
    path.write_bytes(b"calendar_id\n\xff\xfe\n")
    faults: list[Fault] = []
    assert read_rule_rows(path, "calendar", faults) == []
    assert "cannot be read as CSV in UTF-8" in faults[0].message


@fuzz(60)
@given(st.binary(max_size=80), st.sampled_from(sorted(RULE_TABLES)))
def test_no_file_is_read_into_an_error_of_another_kind(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, table: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "any.csv"
    header = ",".join(RULE_TABLES[table]).encode()
    for data in (content, header + b"\n" + content):
        path.write_bytes(data)
        faults: list[Fault] = []
        rows = read_rule_rows(path, table, faults)
        if not faults:
            rule_faults({table: rows})


def test_calendars_that_nobody_declares_and_circles_are_faults() -> None:
    calendars = rows_of(
        "calendar",
        {"calendar_id": "a", "base_calendar_id": "b"},
        {"calendar_id": "b", "base_calendar_id": "a"},
        {"calendar_id": "c", "base_calendar_id": "gone"},
        {"calendar_id": "d", "base_calendar_id": "c"},
    )
    policy = rows_of("sla_policy", {"calendar_id": "nobody", "target": "5"})
    assert faults_of(calendar=calendars, sla_policy=policy) == [
        "calendar.csv:2: a is based on itself: a -> b -> a",
        "calendar.csv:3: b is based on itself: b -> a -> b",
        "calendar.csv:4: the base calendar 'gone' is unknown",
        "sla_policy.csv:2: has a target without a unit",
        "sla_policy.csv:2: the calendar 'nobody' is unknown; known: a, b, c, d",
    ]


def week(weekday: str, starts: str, ends: str, valid_from: str = "") -> dict[str, str]:
    return {
        "calendar_id": "china",
        "valid_from": valid_from,
        "weekday": weekday,
        "starts": starts,
        "ends": ends,
    }


def test_intervals_that_overlap_run_over_midnight_or_have_no_length_are_faults() -> None:
    template = rows_of(
        "calendar_template",
        week("1", "09:00", "18:00"),
        week("1", "10:00", "11:00"),
        week("1", "12:00", "13:00"),
        week("1", "18:00", "24:00"),
        week("2", "10:00", "11:00"),
        week("1", "10:00", "11:00", "2026-05-01"),
        week("3", "22:00", "06:00"),
        week("4", "09:00", "09:00"),
        week("5", "09:00", ""),
        week("6", "", ""),
        week("0", "09:00", "10:00", "2027-01-01"),
    )
    assert faults_of(calendar_template=template) == [
        "calendar_template.csv:3: the intervals 09:00-18:00 and 10:00-11:00 of one weekday "
        "overlap (line 2)",
        "calendar_template.csv:4: the intervals 09:00-18:00 and 12:00-13:00 of one weekday "
        "overlap (line 2)",
        "calendar_template.csv:8: the interval 22:00-06:00 runs over midnight; write it as two, "
        "to 24:00 and from 00:00 of the next day",
        "calendar_template.csv:9: the interval 09:00-09:00 has no length",
        "calendar_template.csv:10: needs both starts and ends",
        "calendar_template.csv:11: starts and ends are empty",
        "calendar_template.csv:12: weekday 0 stands for a week without times",
    ]


def day(**said: Any) -> dict[str, str]:
    return {"calendar_id": "china", "date_on": "2026-07-13", "announced": "2026-07-10", **said}


def test_hours_of_a_date_must_be_of_a_working_day_and_apart_within_one_announcement() -> None:
    days = rows_of(
        "calendar_day",
        day(is_working="true", starts="09:00", ends="12:00"),
        day(is_working="true", starts="11:00", ends="13:00"),
        day(is_working="true", starts="11:00", ends="13:00", announced="2026-07-11"),
        day(is_working="false", starts="14:00", ends="15:00", date_on="2026-07-14"),
        day(is_working="", like_weekday="1", date_on="2026-07-15"),
    )
    assert faults_of(calendar_day=days) == [
        "calendar_day.csv:3: the intervals 09:00-12:00 and 11:00-13:00 of one announcement "
        "overlap (line 2)",
        "calendar_day.csv:5: has hours, so is_working must be true",
        "calendar_day.csv:6: has like_weekday, so is_working must be true",
    ]


def test_a_day_off_that_is_a_make_up_day_in_the_same_announcement_is_told() -> None:
    days = [
        *rows_of(
            "calendar_day",
            day(is_working="false"),
            day(is_working="true"),
            day(is_working="false", date_on="2026-07-14"),
            day(is_working="true", date_on="2026-07-14", announced="2026-07-11"),
        ),
        *rows_of("calendar_day", day(is_working="false", date_on="2026-07-14"), is_operator=True),
    ]
    assert [(fault.line, fault.message) for fault in contradictions(days)] == [
        (
            3,
            "2026-07-13 of china is a day off and a make-up day in one announcement; the make-up "
            "day counts, until a row that is announced later says otherwise",
        )
    ]


def test_a_day_that_a_later_announcement_decides_is_no_contradiction_any_more() -> None:
    days = rows_of("calendar_day", day(is_working="false"), day(is_working="true"))
    assert len(contradictions(days)) == 1
    mended = rows_of("calendar_day", day(is_working="false", announced="2026-07-12"))
    assert contradictions([*days, *mended]) == []


def test_a_week_that_loses_a_working_day_is_remarked() -> None:
    week = [("", "1"), ("", "2"), ("", "2"), ("2026-05-01", "1"), ("2026-06-01", "1")]
    hours = {"calendar_id": "china", "starts": "09:00", "ends": "12:00"}
    tables = {
        "calendar": rows_of("calendar", {"calendar_id": "china"}),
        "calendar_template": rows_of(
            "calendar_template",
            *({**hours, "valid_from": since, "weekday": weekday} for since, weekday in week),
        ),
    }
    assert [(one.line, one.message) for one in remarks(tables, date(2026, 11, 30))] == [
        (
            5,
            "the week of china from 2026-05-01 on has no hours on weekday 2 (1 is Monday), which "
            "the week before had; a new valid_from replaces the whole week",
        )
    ]


def test_days_nobody_announced_or_too_late_and_calendars_without_hours_are_remarked() -> None:
    tables = {
        "calendar": rows_of("calendar", {"calendar_id": "china", "needs_notice": "true"}),
        "calendar_day": rows_of(
            "calendar_day",
            day(is_working="false", announced=""),
            day(is_working="false", announced="2026-07-14"),
            day(is_working="false", announced="2026-07-13T23:59"),
        ),
        "calendar_notice": rows_of(
            "calendar_notice",
            {"calendar_id": "china", "year": "2025"},
            {"calendar_id": "china", "year": "2027"},
        ),
    }
    assert [fault.message for fault in remarks(tables, date(2026, 11, 30))] == [
        "2026-07-13 of china has no announcement, so it counts as always known",
        "2026-07-13 of china is announced after it is over (2026-07-14), so it never moves a time "
        "that was due on it",
        "the calendar china has no working time",
        "2026 of china has no notice yet; the year is provisional",
    ]


def test_an_announcement_counts_from_its_day_its_months_last_day_or_its_minute() -> None:
    said = {
        "": None,
        "2024-02": "2024-02-29T00:00",
        "2020-01-27": "2020-01-27T00:00",
        "2026-07-13T10:30": "2026-07-13T10:30",
    }
    for text, local in said.items():
        assert announced_at(text) == (local and datetime.fromisoformat(local))
    row = rows_of("calendar_day", day(announced="2026-07-13T10:30"))[0]
    assert in_force(row, datetime.fromisoformat("2026-07-13T10:30"))
    assert not in_force(row, datetime.fromisoformat("2026-07-13T10:29"))


def test_a_day_has_minutes_from_0_to_1440() -> None:
    assert [minute_of(text) for text in ("00:00", "13:30", "24:00")] == [0, 810, 1440]
    for text in ("24:01", "12:60", "9:00", "", "ab:cd"):
        with pytest.raises(ValueError, match="is no time of day"):
            minute_of(text)


def test_rows_are_appended_in_the_order_of_the_files_own_columns(tmp_path: Path) -> None:
    path = tmp_path / "calendar_notice.csv"
    path.write_text("url,year,announced,calendar_id\nu,2026,2025-11,china", encoding="utf-8")
    new = {"calendar_id": "china", "year": "2027", "announced": "2026-11-04", "url": "v"}
    append_rule_rows(path, "calendar_notice", [new])
    assert path.read_text(encoding="utf-8") == (
        "url,year,announced,calendar_id\nu,2026,2025-11,china\nv,2027,2026-11-04,china\n"
    )
    append_rule_rows(tmp_path / "a" / "calendar_notice.csv", "calendar_notice", [new])
    assert (tmp_path / "a" / "calendar_notice.csv").read_text(encoding="utf-8") == (
        "calendar_id,year,announced,url\nchina,2027,2026-11-04,v\n"
    )
