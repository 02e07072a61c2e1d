"""The commands about calendars, as a person types them; no snapshot is there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cubes.errors import DeclarationError, QueryError
from cubes.rule_table import RULE_TABLES
from pipelines.command_line.application import application
from pipelines.operator_rows import SHIPPED

CLOCK = "fixed:2026-11-30T09:00:00+08:00"
DAY = ",".join(RULE_TABLES["calendar_day"])


class Calendars:
    """A home in which commands are typed."""

    def __init__(self, path: Path) -> None:
        self.seeds = path / "site" / "dbt_project" / "seeds"
        self.environment = {"HUIYIN_HOME": str(path), "HUIYIN_CLOCK": CLOCK, "COLUMNS": "80"}

    def run(self, *arguments: str, expect: int = 0) -> Result:
        result = CliRunner().invoke(
            application, ["calendar", *arguments], env=self.environment, standalone_mode=False
        )
        assert result.exception is None, result.exception
        assert (result.return_value or 0) == expect, result.output
        return result

    def json(self, *arguments: str, expect: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--format", "json", expect=expect).stdout)

    def write(self, table: str, *lines: str) -> Path:
        self.seeds.mkdir(parents=True, exist_ok=True)
        path = self.seeds / f"{table}.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


@pytest.fixture
def calendars(tmp_path: Path) -> Calendars:
    return Calendars(tmp_path / "home")


def write_year(folder: Path, year: int, days: dict[str, bool], *urls: str) -> None:
    folder.mkdir(exist_ok=True)
    listed = [{"name": "春节", "date": on, "isOffDay": not works} for on, works in days.items()]
    content = {"year": year, "papers": list(urls), "days": listed}
    (folder / f"{year}.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_year_is_shown_with_its_days_off_make_up_days_and_hours(calendars: Calendars) -> None:
    """2026 has 365 - 104 weekend days = 261 weekdays, 19 of them off, and 6 make-up days: 248."""
    shown = calendars.run("show", "china", "2026").stdout
    assert shown.startswith("china 中国法定工作日 2026 (Asia/Shanghai)\n248 个工作日\n")
    assert " 9   10   11   12   13   14班 15休" in shown
    assert "23休 24   25   26   27   28班" in shown
    assert "春节: 放假 02-15, 02-16" in shown
    assert "上班 02-14, 02-28" in shown
    assert "09:00-12:00, 13:30-18:00: 248 天" in shown
    assert "暂定" not in shown
    english = calendars.run("show", "china", "2026", "--language", "en").stdout
    assert "china Chinese working days 2026" in english
    assert "248 working days" in english
    assert " 9   10   11   12   13   14+  15*" in english


def test_a_year_without_a_notice_is_shown_as_provisional(calendars: Calendars) -> None:
    assert "暂定：本年放假通知尚未公布" in calendars.run("show", "china", "2027").stdout
    told = calendars.json("show", "china", "2027")
    assert told["is_provisional"] is True
    assert {day["kind"] for day in told["days"]} == {"workday", "weekend"}


def test_a_year_is_shown_as_it_was_known(calendars: Calendars) -> None:
    """Sat 2020-02-01 was a make-up day until the extension of 2020-01-27."""

    def on(known_at: str) -> dict[str, Any]:
        told = calendars.json("show", "china", "2020", "--known-at", known_at)
        return next(day for day in told["days"] if day["date"] == "2020-02-01")

    assert on("2020-01-26")["kind"] == "makeup"
    assert on("2020-01-26")["hours"] == [["09:00", "12:00"], ["13:30", "18:00"]]
    assert on("2020-01-27")["kind"] == "holiday"
    assert on("2020-01-27T00:00:00+09:00")["kind"] == "makeup"
    assert on("2019-11-20")["kind"] == "weekend"


def test_a_calendar_of_the_operator_is_shown_with_its_own_hours(calendars: Calendars) -> None:
    calendars.write(
        "calendar", ",".join(RULE_TABLES["calendar"]), "hall,营业厅,Hall,china,Asia/Urumqi,,"
    )
    calendars.write("calendar_day", DAY, "hall,2026-02-16,true,值班,2026-02-01,,10:00,24:00")
    told = calendars.json("show", "hall", "2026")
    days = {day["date"]: day for day in told["days"]}
    assert told["zone"] == "Asia/Urumqi"
    assert days["2026-02-16"]["hours"] == [["10:00", "24:00"]]
    assert days["2026-02-17"]["kind"] == "holiday"


def test_what_cannot_be_shown_is_told_by_name(calendars: Calendars) -> None:
    for arguments, error in (
        (("show", "chine", "2026"), QueryError),
        (("show", "china", "1900"), Exception),
        (("show", "china", "2026", "--known-at", "soon"), Exception),
    ):
        result = CliRunner().invoke(
            application, ["calendar", *arguments], env=calendars.environment, standalone_mode=False
        )
        assert isinstance(result.exception, error)


def test_the_shipped_calendars_have_no_fault_and_one_remark(calendars: Calendars) -> None:
    shown = calendars.run("check").stdout
    assert shown.splitlines()[-1] == "3 个日历，0 个错误，1 个提醒"
    assert "2027 of china has no notice yet" in shown


def test_faults_of_the_operators_rows_are_all_told_and_end_with_1(calendars: Calendars) -> None:
    calendars.write(
        "calendar_template",
        "calendar_id,valid_from,weekday,starts,ends",
        "china,2027-01-01,1,22:00,06:00",
        "china,2027-01-01,2,09:00,12:00",
        "china,2027-01-01,2,11:00,13:00",
        "nobody,,1,09:00,12:00",
    )
    told = calendars.json("check", expect=1)
    assert [(fault["line"], fault["message"].split(";")[0]) for fault in told["faults"]] == [
        (2, "the interval 22:00-06:00 runs over midnight"),
        (4, "the intervals 09:00-12:00 and 11:00-13:00 of one weekday overlap (line 3)"),
        (5, "the calendar 'nobody' is unknown"),
    ]


def test_a_make_up_day_that_is_also_off_is_told_but_does_not_stop_what_reads_it(
    calendars: Calendars,
) -> None:
    said = "china,2026-07-18,{},演练,2026-07-01,,,"
    calendars.write("calendar_day", DAY, said.format("true"), said.format("false"))
    shown = calendars.run("check", "--language", "en", expect=1).stdout
    assert "fault" in shown
    assert "is a day off and a make-up day in one announcement" in shown
    days = calendars.json("show", "china", "2026")["days"]
    assert next(day for day in days if day["date"] == "2026-07-18")["kind"] == "makeup"


def test_a_new_notice_is_appended_to_the_operators_rows_once(
    calendars: Calendars, tmp_path: Path
) -> None:
    own = calendars.write("calendar_day", DAY, "china,2026-07-15,false,大水,2026-07-14,,,")
    before = own.read_text(encoding="utf-8")
    folder = tmp_path / "list"
    write_year(
        folder, 2027, {"2026-12-26": True, "2027-01-01": False}, "x/2026-11/05/content_9.htm"
    )
    shown = calendars.run("refresh", str(folder)).stdout
    assert "2027: 2026-11-05 x/2026-11/05/content_9.htm" in shown
    assert "2026-12-26 上班 春节 (2026-11-05)" in shown
    assert "新增 1 份通知、2 天" in shown
    assert own.read_text(encoding="utf-8") == (
        before
        + "china,2026-12-26,true,春节,2026-11-05,,,\nchina,2027-01-01,false,春节,2026-11-05,,,\n"
    )
    notice = calendars.seeds / "calendar_notice.csv"
    after = own.read_bytes(), notice.read_bytes()
    again = calendars.json("refresh", str(folder))
    assert (again["calendar_day"], again["calendar_notice"]) == ([], [])
    assert (own.read_bytes(), notice.read_bytes()) == after
    assert calendars.json("show", "china", "2027")["is_provisional"] is False
    assert calendars.json("check")["remarks"] == []


def test_a_second_notice_of_a_year_adds_only_what_it_changes(
    calendars: Calendars, tmp_path: Path
) -> None:
    folder, first = tmp_path / "list", "x/2026-11/05/content_9.htm"
    write_year(folder, 2027, {"2027-02-05": False, "2027-02-13": True}, first)
    calendars.run("refresh", str(folder))
    write_year(
        folder,
        2027,
        {"2027-02-05": False, "2027-02-08": False},
        first,
        "x/2027-02/01/content_3.htm",
    )
    added = calendars.json("refresh", str(folder))["calendar_day"]
    assert [(row["date_on"], row["is_working"], row["announced"]) for row in added] == [
        ("2027-02-08", "false", "2027-02-01"),
        ("2027-02-13", "", "2027-02-01"),
    ]
    shown = calendars.run("refresh", str(folder), "--language", "en").stdout
    assert shown.endswith("0 notices and 0 days added\n")


def test_the_products_own_tables_are_written_in_order_and_keep_rows_entered_by_hand(
    calendars: Calendars, tmp_path: Path
) -> None:
    seeds, folder = tmp_path / "seeds", tmp_path / "list"
    shutil.copytree(SHIPPED, seeds)
    before = (seeds / "calendar_day.csv").read_text(encoding="utf-8")
    write_year(folder, 2027, {"2026-12-26": True}, "x/2026-11/05/content_9.htm")
    for _ in range(2):
        calendars.run("refresh", str(folder), "--into", str(seeds))
    after = (seeds / "calendar_day.csv").read_text(encoding="utf-8")
    assert after == before + "china,2026-12-26,true,春节,2026-11-05,,,\n"
    assert not calendars.seeds.exists()


def test_a_folder_without_year_files_is_told_and_changes_nothing(
    calendars: Calendars, tmp_path: Path
) -> None:
    result = CliRunner().invoke(
        application,
        ["calendar", "refresh", str(tmp_path / "nothing")],
        env=calendars.environment,
        standalone_mode=False,
    )
    assert isinstance(result.exception, DeclarationError)
    assert not calendars.seeds.exists()
