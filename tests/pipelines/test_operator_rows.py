"""The operator's rule rows: read, remembered once and for ever, and frozen for a build."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from connectors.ledger import Ledger
from cubes.errors import DeclarationError
from cubes.rule_table import RULE_TABLES
from pipelines.build import build, model_version
from pipelines.build_input import BuildRequest, freeze
from pipelines.errors import BuildFailedError, OperatorRowsError, exit_code_of
from pipelines.home import Home
from pipelines.installation import Installation
from pipelines.operator_rows import Rules, read_rules, remember_rules
from pipelines.working_days import working_days_of

NOW = datetime(2026, 3, 31, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
CALENDAR = ",".join(RULE_TABLES["calendar"])
DAY = ",".join(RULE_TABLES["calendar_day"])
FLOOD = "china,2026-07-15,false,大水,2026-07-14T18:00,,,"
OPEN = "china,2026-07-15,true,照常,2026-07-15T08:00,,,"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def ledger(home: Home) -> Ledger:
    return Ledger(home.ledger)


def write(home: Home, table: str, *lines: str) -> Path:
    path = home.site("dbt_project/seeds") / f"{table}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def recorded(rules: Rules) -> list[tuple[str, int, str, datetime]]:
    return [
        (one.row.table, one.row.number, one.row.values["name"], one.recorded_at)
        for one in rules.recorded
    ]


def test_a_row_is_remembered_with_the_instant_at_which_it_was_first_seen(
    home: Home, ledger: Ledger
) -> None:
    write(home, "calendar_day", DAY, FLOOD)
    assert recorded(remember_rules(home, ledger, NOW)) == [("calendar_day", 1, "大水", NOW)]
    write(home, "calendar_day", DAY, FLOOD, "", OPEN)
    expected = [("calendar_day", 1, "大水", NOW), ("calendar_day", 2, "照常", LATER)]
    assert recorded(remember_rules(home, ledger, LATER)) == expected
    assert recorded(remember_rules(home, ledger, LATER + timedelta(days=1))) == expected


def test_an_installation_without_rows_of_its_own_has_the_shipped_ones(
    home: Home, ledger: Ledger
) -> None:
    rules = remember_rules(home, ledger, NOW)
    assert rules.recorded == ()
    assert rules.calendars == {"china", "weekdays", "always"}


def test_moved_columns_and_blank_lines_change_no_row(home: Home, ledger: Ledger) -> None:
    write(home, "calendar_day", DAY, FLOOD)
    remember_rules(home, ledger, NOW)
    write(
        home,
        "calendar_day",
        "name,date_on,is_working,calendar_id,announced,like_weekday,starts,ends",
        "",
        "大水, 2026-07-15 ,false,china,2026-07-14T18:00,,,",
    )
    assert recorded(remember_rules(home, ledger, LATER)) == [("calendar_day", 1, "大水", NOW)]


def test_rows_that_changed_or_are_gone_are_told_at_once_and_nothing_is_remembered(
    home: Home, ledger: Ledger
) -> None:
    write(home, "calendar_day", DAY, FLOOD)
    write(home, "calendar_notice", "calendar_id,year,announced,url", "china,2027,2026-11-04,u")
    remember_rules(home, ledger, NOW)
    path = write(home, "calendar_day", DAY, OPEN, FLOOD)
    (path.parent / "calendar_notice.csv").unlink()
    with pytest.raises(OperatorRowsError) as caught:
        remember_rules(home, ledger, LATER)
    first, second = (str(fault) for fault in caught.value.faults)
    assert first.startswith(f"{path}:2: row 1 says {{")
    assert "since 2026-03-31 01:00 UTC it was {" in first
    assert "大水" in first
    assert "照常" in first
    assert "calendar_notice.csv: row 1 is gone" in second
    assert "add a row below that says it right" in str(caught.value)
    assert exit_code_of(caught.value) == 2
    write(home, "calendar_day", DAY, FLOOD)
    write(home, "calendar_notice", "calendar_id,year,announced,url", "china,2027,2026-11-04,u")
    assert len(remember_rules(home, ledger, LATER).recorded) == 2


def test_faults_of_all_files_of_form_are_told_at_once(home: Home) -> None:
    write(home, "calendar_day", DAY, "china,2026-7-15,false,,,,,")
    write(home, "calendar", CALENDAR, "hall,厅,Hall,china,Mars/Base,,")
    write(home, "calender", "x")
    with pytest.raises(DeclarationError) as caught:
        read_rules(home, NOW)
    told = [str(fault).partition("seeds/")[2] for fault in caught.value.faults]
    assert told == [
        "calendar.csv:2: zone: 'Mars/Base' is not an IANA time zone such as Asia/Shanghai",
        "calendar_day.csv:2: date_on: '2026-7-15' is no date such as 2026-03-31",
        "calender.csv: is none of the rule tables (did you mean 'calendar'?)",
    ]


def test_a_policy_that_names_what_there_is_not_is_a_fault_until_its_version_is_told_right(
    home: Home, ledger: Ledger
) -> None:
    def policy(**cells: str) -> str:
        told = {
            "policy_id": "own",
            "version": "1",
            "clock": "resolution",
            "ordinal": "10",
            "name": "自定",
            "name_en": "Own",
            "target": "3",
            "unit": "working_days",
        }
        return ",".join((told | cells).get(name, "") for name in RULE_TABLES["sla_policy"])

    header = ",".join(RULE_TABLES["sla_policy"])
    wrong = policy(clock="resolutoin", pause_statuses="waiting_on_reporte", warn_at="1.8")
    write(home, "sla_policy", header, wrong)
    with pytest.raises(DeclarationError) as caught:
        remember_rules(home, ledger, NOW)
    told = [str(fault).partition("seeds/")[2] for fault in caught.value.faults]
    assert [one.partition(":2: ")[2][:30] for one in told] == [
        "pause_statuses: there is no st",
        "the clock 'resolutoin' is unkn",
        "warn_at: '1.8' is no share of ",
    ]
    # Nothing was remembered, so the row itself may be mended; a version told again counts too.
    write(home, "sla_policy", header, wrong, policy())
    assert len(remember_rules(home, ledger, NOW).recorded) == 2


def test_a_week_of_the_operator_that_overlaps_the_shipped_one_is_a_fault(home: Home) -> None:
    write(
        home,
        "calendar_template",
        "calendar_id,valid_from,weekday,starts,ends",
        "china,,1,11:00,14:00",
        "china,2026-05-01,1,11:00,14:00",
    )
    with pytest.raises(DeclarationError) as caught:
        read_rules(home, NOW)
    assert [fault.line for fault in caught.value.faults if "site" in fault.file] == [2]


def test_what_is_in_force_changes_on_the_day_a_row_comes_into_force_and_on_no_other(
    home: Home,
) -> None:
    """The row counts from 2026-07-14 18:00 in Shanghai, which is 10:00 UTC."""
    write(home, "calendar_day", DAY, FLOOD)
    rules = read_rules(home, NOW)

    def at(text: str) -> str:
        return rules.in_force(datetime.fromisoformat(text), "Asia/Shanghai")

    before = at("2026-03-31T01:00:00+00:00")
    assert at("2026-07-14T09:59:59+00:00") == before
    after = at("2026-07-14T10:00:00+00:00")
    assert after != before
    assert at("2029-01-01T00:00:00+00:00") == after
    # The notice of 2026 is known to its month, so from the last day of November 2025 on.
    assert at("2025-11-29T15:59:00+00:00") != at("2025-11-29T16:00:00+00:00")


def test_a_policy_of_tomorrow_is_not_in_force_today(home: Home) -> None:
    row = next(row for row in read_rules(home, NOW).tables["sla_policy"])
    tomorrow = replace(row, values={**row.values, "valid_from": "2026-04-02"})
    rules = Rules({"sla_policy": [row, tomorrow]})
    without = Rules({"sla_policy": [row]})
    assert rules.in_force(LATER, "Asia/Shanghai") == without.in_force(LATER, "Asia/Shanghai")
    day = LATER + timedelta(days=1)
    assert rules.in_force(day, "Asia/Shanghai") != without.in_force(day, "Asia/Shanghai")


def test_a_row_that_was_added_makes_another_version_of_the_models(home: Home) -> None:
    before = model_version(home, {})
    write(home, "calendar_day", DAY, FLOOD)
    assert model_version(home, {}) != before


def test_the_rows_are_frozen_as_text_and_every_table_is_there(home: Home) -> None:
    write(home, "calendar_day", DAY, FLOOD)
    work = home.path / "work.duckdb"
    with duckdb.connect(str(work)) as connection:
        freeze(
            connection,
            BuildRequest(NOW, "Asia/Shanghai", "china", "CNY"),
            {},
            {},
            [],
            built=frozenset(),
            home=home.path,
            find=lambda batch_id: None,
            operator_rows=read_rules(home, NOW).recorded,
        )
        rows = connection.execute("select * from raw.operator_calendar_day").fetchall()
        said = ("china", "2026-07-15", "false", "大水", "2026-07-14T18:00", "", "", "")
        assert rows == [(*said, 1, NOW.replace(tzinfo=None))]
        for table, columns in RULE_TABLES.items():
            found = connection.execute(f"describe raw.operator_{table}").fetchall()
            assert [row[0] for row in found] == [*columns, "row_no", "recorded_at"]


def test_a_calendar_that_nobody_declares_is_named_before_anything_is_built(home: Home) -> None:
    installation = Installation.open({"HUIYIN_HOME": str(home.path), "HUIYIN_CALENDAR": "hall"})
    request = BuildRequest(NOW, "Asia/Shanghai", "hall", "CNY")
    with pytest.raises(BuildFailedError, match="HUIYIN_CALENDAR: hall"):
        build(
            home,
            installation.settings,
            request,
            {},
            {},
            installation.catalogue,
            [],
            lambda batch_id: None,
        )
    assert not home.work.exists()


def test_working_days_before_the_first_snapshot_follow_the_rows(home: Home) -> None:
    """2026-10-01 is off, Sat 2026-10-10 a make-up day; 2026-07-15 is the operator's flood day."""
    write(home, "calendar_day", DAY, FLOOD)
    installation = Installation.open({"HUIYIN_HOME": str(home.path)})
    china = working_days_of(installation, "china")
    days = [datetime.fromisoformat(f"2026-{day}").date() for day in ("10-01", "10-10", "07-15")]
    assert [china(day) for day in days] == [False, True, False]
    assert working_days_of(installation, "always")(days[0])
    assert not working_days_of(installation, "nobody")(days[1])
    write(home, "calendar_day", DAY, "faulty")
    assert [working_days_of(installation, "china")(day) for day in days] == [False, True, True]
