"""The holiday seed: read, refreshed and equal to an independent package."""

from __future__ import annotations

import csv
import json
import os
from datetime import date, timedelta
from pathlib import Path

import chinese_calendar
import pytest

from cubes.calendar import HolidayDay, HolidayNotice, read_holiday_years, write_holiday_seeds
from cubes.errors import DeclarationError

SEEDS = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds"


def write_year(
    folder: Path, year: int, days: list[tuple[str, bool]], urls: tuple[str, ...] = ()
) -> None:
    content = {
        "year": year,
        "papers": list(urls),
        "days": [{"name": "春节", "date": on, "isOffDay": off} for on, off in days],
    }
    (folder / f"{year}.json").write_text(json.dumps(content), encoding="utf-8")


def test_the_shipped_working_days_equal_those_of_an_independent_package() -> None:
    with (SEEDS / "calendar_day.csv").open(encoding="utf-8", newline="") as file:
        exceptions = {
            date.fromisoformat(row["date_on"]): row["is_working"] == "true"
            for row in csv.DictReader(file)
        }
    day, different = date(2007, 1, 1), []
    while day <= date(2026, 12, 31):
        if exceptions.get(day, day.isoweekday() < 6) != chinese_calendar.is_workday(day):
            different.append(day)
        day += timedelta(days=1)
    assert different == []


def test_a_refresh_from_the_same_list_gives_the_same_seeds(tmp_path: Path) -> None:
    folder = Path(os.environ.get("HUIYIN_TEST_DATA", "../shared/data"))
    if not folder.is_absolute():
        folder = SEEDS.parents[1] / folder
    if not (folder / "holiday-cn").is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{folder} does not hold holiday-cn")
        pytest.skip(f"{folder} does not hold holiday-cn")
    write_holiday_seeds(read_holiday_years(folder / "holiday-cn"), tmp_path)
    for name in ("calendar_day.csv", "calendar_notice.csv"):
        assert (tmp_path / name).read_bytes() == (SEEDS / name).read_bytes()


def test_a_year_is_read_with_the_date_in_its_notices_address(tmp_path: Path) -> None:
    write_year(
        tmp_path, 2025, [("2025-01-28", True), ("2025-01-26", False)], ("x/202411/content_1.htm",)
    )
    write_year(
        tmp_path, 2019, [("2018-12-29", False)], ("x/2019-03/22/content_2.htm", "x/other.htm")
    )
    write_year(tmp_path, 2027, [])
    years = read_holiday_years(tmp_path)
    assert years.days == (
        HolidayDay(date(2018, 12, 29), True, "春节"),
        HolidayDay(date(2025, 1, 26), True, "春节"),
        HolidayDay(date(2025, 1, 28), False, "春节"),
    )
    assert years.notices == (
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
