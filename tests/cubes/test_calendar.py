"""The State Council's list: read, and told as rows that are only added to."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import chinese_calendar
import pytest

from cubes.calendar import (
    HolidayDay,
    HolidayNotice,
    HolidayYears,
    holiday_changes,
    read_holiday_years,
)
from cubes.errors import DeclarationError

SEEDS = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds"
Rows = dict[str, list[dict[str, str]]]


def write_year(
    folder: Path, year: int, days: list[tuple[str, bool]], urls: tuple[str, ...] = ()
) -> None:
    content = {
        "year": year,
        "papers": list(urls),
        "days": [{"name": "春节", "date": on, "isOffDay": off} for on, off in days],
    }
    (folder / f"{year}.json").write_text(json.dumps(content), encoding="utf-8")


def list_folder() -> Path:
    folder = Path(os.environ.get("HUIYIN_TEST_DATA") or "../shared/data") / "holiday-cn"
    folder = folder if folder.is_absolute() else SEEDS.parents[1] / folder
    if not folder.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{folder} is not there")
        pytest.skip(f"{folder} is not there")
    return folder


def shipped() -> Rows:
    rows: Rows = {}
    for table in ("calendar_day", "calendar_notice"):
        with (SEEDS / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            rows[table] = list(csv.DictReader(file))
    return rows


def last_said(rows: Sequence[Mapping[str, str]]) -> dict[date, bool]:
    """What the last announcement of each date says; months count as their last day."""
    found: dict[date, bool] = {}
    for row in sorted(rows, key=lambda row: f"{row['announced']}-99"[:10]):
        found[date.fromisoformat(row["date_on"])] = row["is_working"] == "true"
    return found


def test_the_shipped_working_days_equal_those_of_an_independent_package() -> None:
    said, day, different = last_said(shipped()["calendar_day"]), date(2007, 1, 1), []
    while day <= date(2026, 12, 31):
        if said.get(day, day.isoweekday() < 6) != chinese_calendar.is_workday(day):
            different.append(day)
        day += timedelta(days=1)
    assert different == []


def test_the_shipped_days_are_those_of_the_list_and_every_day_has_an_announcement() -> None:
    listed = {}
    for path in sorted(list_folder().glob("20??.json")):
        for day in json.loads(path.read_text(encoding="utf-8"))["days"]:
            listed[date.fromisoformat(day["date"])] = not day["isOffDay"]
    rows = shipped()["calendar_day"]
    assert last_said(rows) == listed
    assert len(listed) == 678
    assert [row for row in rows if not row["announced"] or row["calendar_id"] != "china"] == []


def test_no_shipped_day_was_announced_after_it_was_over() -> None:
    late = [
        row for row in shipped()["calendar_day"] if f"{row['announced']}-28"[:10] > row["date_on"]
    ]
    assert late == []


def test_labour_day_2019_and_spring_festival_2020_stand_as_they_were_announced() -> None:
    """Two notices each: 2018-12-06 and 2019-03-22, 2019-11-21 and 2020-01-27."""

    def told(announced: str, first: str, last: str) -> dict[str, str]:
        return {
            row["date_on"][5:]: row["is_working"]
            for row in shipped()["calendar_day"]
            if row["announced"] == announced and first <= row["date_on"] <= last
        }

    assert told("2018-12-06", "2019-04-20", "2019-05-20") == {"05-01": "false"}
    assert told("2019-03-22", "2019-01-01", "2019-12-31") == {
        **{"04-28": "true", "05-05": "true"},
        **{f"05-0{day}": "false" for day in (1, 2, 3, 4)},
    }
    first = {f"01-{day}": "false" for day in range(24, 31)}
    assert told("2019-11-21", "2020-01-10", "2020-02-20") == {
        **{"01-19": "true", "02-01": "true"},
        **first,
    }
    assert told("2020-01-27", "2020-01-01", "2020-12-31") == {
        **{"01-31": "false", "02-01": "false", "02-02": "false", "02-03": "true"}
    }
    assert set(told("2015-05-13", "2015-01-01", "2015-12-31")) == {
        *("09-03", "09-04", "09-05", "09-06")
    }


def test_the_shipped_rows_lack_nothing_that_the_list_tells() -> None:
    added = holiday_changes(read_holiday_years(list_folder()), shipped())
    assert added == {"calendar_day": [], "calendar_notice": []}


def test_2027_has_no_notice_yet() -> None:
    years = {row["year"] for row in shipped()["calendar_notice"]}
    assert years == {str(year) for year in range(2007, 2027)}


FIRST, SECOND = "x/2030-11/05/content_1.htm", "x/2031-01/20/content_2.htm"


def years(days: Mapping[str, bool], *urls: str) -> HolidayYears:
    """The list as it stands after some notices of 2031; a day is true when worked."""
    announced = {FIRST: "2030-11-05", SECOND: "2031-01-20"}
    return HolidayYears(
        tuple(
            HolidayDay(date.fromisoformat(on), works, "春节", 2031) for on, works in days.items()
        ),
        tuple(HolidayNotice(2031, url, announced[url]) for url in urls),
    )


def known_after(*lists: HolidayYears) -> Rows:
    known: Rows = {"calendar_day": [], "calendar_notice": []}
    for one in lists:
        for table, rows in holiday_changes(one, known).items():
            known[table].extend(rows)
    return known


def test_what_a_second_notice_changes_is_added_with_its_date_and_the_rest_stays() -> None:
    before = years({"2030-12-29": True, "2031-01-23": False, "2031-02-01": True}, FIRST)
    after = years({"2030-12-29": True, "2031-01-23": False, "2031-01-24": False}, FIRST, SECOND)
    rows = known_after(before, after, after)
    assert [
        (row["date_on"], row["is_working"], row["announced"]) for row in rows["calendar_day"]
    ] == [
        ("2030-12-29", "true", "2030-11-05"),
        ("2031-01-23", "false", "2030-11-05"),
        ("2031-02-01", "true", "2030-11-05"),
        ("2031-01-24", "false", "2031-01-20"),
        # In no file any more: back to the week.
        ("2031-02-01", "", "2031-01-20"),
    ]
    assert [row["announced"] for row in rows["calendar_notice"]] == ["2030-11-05", "2031-01-20"]


def test_a_day_that_comes_back_is_added_once_more() -> None:
    off, gone = years({"2031-01-23": False}, FIRST), years({}, FIRST, SECOND)
    back = years({"2031-01-23": True}, FIRST, SECOND)
    rows = known_after(off, gone, back, back)["calendar_day"]
    assert [row["is_working"] for row in rows] == ["false", "", "true"]


def test_rows_of_other_calendars_and_announcements_are_no_business_of_a_refresh() -> None:
    """A flood day of the operator and a row of another calendar neither stay away nor come back."""
    known = known_after(years({"2031-01-23": False}, FIRST))
    flood = {**known["calendar_day"][0], "date_on": "2031-07-15", "announced": "2031-07-14"}
    other = {**known["calendar_day"][0], "calendar_id": "hall", "is_working": "true"}
    worked = {**known["calendar_day"][0], "is_working": "true", "announced": "2031-01-22T10:00"}
    known["calendar_day"] += [flood, other, worked]
    added = holiday_changes(years({"2031-01-23": False}, FIRST), known)
    assert added["calendar_day"] == []


def test_an_announcement_corrected_by_hand_is_kept() -> None:
    known = known_after(years({"2031-01-23": False}, FIRST))
    for row in (*known["calendar_day"], *known["calendar_notice"]):
        row["announced"] = "2030-11-01"
    added = holiday_changes(years({"2031-01-23": False, "2031-01-24": False}, FIRST), known)
    assert added["calendar_notice"] == []
    assert [row["announced"] for row in added["calendar_day"]] == ["2030-11-01"]


def test_a_year_is_read_with_the_date_in_its_notices_address(tmp_path: Path) -> None:
    write_year(
        tmp_path, 2025, [("2025-01-28", True), ("2025-01-26", False)], ("x/202411/content_1.htm",)
    )
    write_year(
        tmp_path, 2019, [("2018-12-29", False)], ("x/2019-03/22/content_2.htm", "x/other.htm")
    )
    write_year(tmp_path, 2027, [])
    found = read_holiday_years(tmp_path)
    assert found.days == (
        HolidayDay(date(2018, 12, 29), True, "春节", 2019),
        HolidayDay(date(2025, 1, 26), True, "春节", 2025),
        HolidayDay(date(2025, 1, 28), False, "春节", 2025),
    )
    assert found.notices == (
        HolidayNotice(2019, "x/2019-03/22/content_2.htm", "2019-03-22"),
        HolidayNotice(2019, "x/other.htm", ""),
        HolidayNotice(2025, "x/202411/content_1.htm", "2024-11"),
    )


def test_all_faults_of_all_year_files_are_told_at_once(tmp_path: Path) -> None:
    write_year(tmp_path, 2024, [("2024-12-31", True)])
    write_year(tmp_path, 2025, [("2024-12-31", False)])
    (tmp_path / "2026.json").write_text("{", encoding="utf-8")
    (tmp_path / "2028.json").write_text(
        '{"year": 2027, "papers": [], "days": []}', encoding="utf-8"
    )
    (tmp_path / "2029.json").write_text('{"year": 2029, "days": []}', encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        read_holiday_years(tmp_path)
    messages = [str(fault) for fault in caught.value.faults]
    assert len(messages) == 4
    assert "2024-12-31 is a working day here but a day off in" in messages[0]
    assert "cannot be read as JSON" in messages[1]
    assert "says year 2027" in messages[2]
    assert "form of holiday-cn" in messages[3]


def test_a_folder_without_year_files_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="holds no year file"):
        read_holiday_years(tmp_path)
