"""The calendars of the marts: against the list of the State Council, and against the arithmetic in
Python over the same rows."""

# ruff: noqa: DTZ001  (raw tables and marts hold instants as naive UTC)

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import chinese_calendar
import pytest

from cubes.local_clock import micros_of
from cubes.rule_calendar import read_seed_calendar
from cubes.rule_table import RULE_TABLES, RuleRow, read_rule_tables
from tests.dbt_project.raw_home import PROJECT, RawHome

AS_OF = datetime(2026, 7, 20, 1)
SEEN = datetime(2026, 7, 1)
# One worker builds for all, since a build takes longer than the tests.
pytestmark = pytest.mark.xdist_group("calendars")

MODELS = ("calendar_date", "calendar_interval", "dim_date")
TIMELINES = (
    ("china", "Asia/Shanghai"),
    ("always", "America/New_York"),
    ("always", "America/Havana"),
    ("hall", "Asia/Urumqi"),
    ("counter", "Asia/Shanghai"),
    ("night", "America/New_York"),
    ("night", "America/Havana"),
)
# What the operator adds: a hall that follows china in a zone of its own, a counter that follows the
# hall, and a calendar of nights, whose hours fall where clocks are set.
OPERATOR: dict[str, list[dict[str, Any]]] = {
    "calendar": [
        {"calendar_id": "hall", "base_calendar_id": "china", "zone": "Asia/Urumqi"},
        {"calendar_id": "counter", "base_calendar_id": "hall", "makeup_weekday": "6"},
        {"calendar_id": "night"},
    ],
    "calendar_template": [
        {"calendar_id": "counter", "valid_from": "2025-05-01", "weekday": "1", "starts": "08:00",
         "ends": "11:00"},
        {"calendar_id": "counter", "valid_from": "2025-05-01", "weekday": "6", "starts": "10:00",
         "ends": "12:15"},
        {"calendar_id": "counter", "valid_from": "2026-05-01", "weekday": "0"},
        {"calendar_id": "counter", "valid_from": "2026-07-01", "weekday": "5", "starts": "22:00",
         "ends": "24:00"},
        *(
            {"calendar_id": "night", "weekday": weekday, "starts": starts, "ends": ends}
            for weekday in "67"
            for starts, ends in (("00:00", "01:30"), ("01:45", "02:30"), ("02:30", "24:00"))
        ),
        {"calendar_id": "night", "weekday": "1", "starts": "00:15", "ends": "00:45"},
    ],
    "calendar_day": [
        {"calendar_id": "china", "date_on": "2026-07-15", "is_working": "false", "name": "大水",
         "announced": "2026-07-15T15:00"},
        {"calendar_id": "china", "date_on": "2026-07-16", "is_working": "false", "name": "大水",
         "announced": "2026-07-17"},
        {"calendar_id": "china", "date_on": "2026-08-03", "is_working": "false", "name": "迟",
         "announced": "2026-08-01"},
        {"calendar_id": "hall", "date_on": "2026-02-16", "is_working": "true", "name": "值班",
         "announced": "2026-02-01", "starts": "10:00", "ends": "12:00"},
        {"calendar_id": "hall", "date_on": "2026-02-16", "is_working": "true", "name": "值班",
         "announced": "2026-02", "starts": "09:00", "ends": "10:00"},
        {"calendar_id": "hall", "date_on": "2026-02-14", "is_working": "", "name": "不补",
         "announced": "2026-01"},
        {"calendar_id": "counter", "date_on": "2026-06-19", "is_working": "true", "name": "开",
         "announced": "2026-06-01", "like_weekday": "5"},
        {"calendar_id": "counter", "date_on": "2025-10-02", "is_working": "true", "name": "开",
         "announced": "2025-09-01", "like_weekday": "1"},
    ],
}  # fmt: skip


def operator_rows() -> dict[str, list[RuleRow]]:
    """The operator's rows as their file would give them."""
    return {
        table: [
            RuleRow(
                table,
                f"{table}.csv",
                number + 1,
                number,
                {column: row.get(column, "") for column in RULE_TABLES[table]},
                is_operator=True,
            )
            for number, row in enumerate(OPERATOR.get(table, ()), start=1)
        ]
        for table in RULE_TABLES
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> RawHome:
    """A home whose calendars are built, and nothing else."""
    home = RawHome(tmp_path_factory.mktemp("calendars"))
    home.set_build(AS_OF, date(2026, 7, 19))
    for number, (calendar, zone) in enumerate(TIMELINES):
        home.execute(
            "insert into raw.source_setting (source, calendar_id, zone) values (?, ?, ?)",
            [f"s{number}", calendar, zone],
        )
    for table, rows in operator_rows().items():
        for row in rows:
            marks = ", ".join("?" for _ in row.values)
            home.execute(
                f"insert into raw.operator_{table} values ({marks}, ?, ?)",
                [*row.values.values(), row.number, SEEN],
            )
    selected = [f"+{model}" for model in MODELS]
    kept = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    assert home.dbt("build", "--select", *selected, *kept) == []
    return home


def dates(home: RawHome, calendar: str, evaluation: str) -> dict[date, dict[str, Any]]:
    found = home.rows(
        f"select * from marts.calendar_date where calendar_id = '{calendar}' "
        f"and evaluation = '{evaluation}'"
    )
    return {row["date_on"]: row for row in found}


def spans(
    home: RawHome, calendar: str, zone: str, evaluation: str, day: date | None = None
) -> list[tuple[datetime, datetime]]:
    """The intervals of a timeline, or of a local day; those that touch each other are one."""
    found = home.rows(
        f"select starts_at, ends_at from marts.calendar_interval where calendar_id = '{calendar}' "
        f"and zone = '{zone}' and evaluation = '{evaluation}' order by starts_at"
    )
    joined: list[tuple[datetime, datetime]] = []
    for row in found:
        starts = row["starts_at"]
        local = starts.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()
        if day is not None and local != day:
            continue
        if joined and joined[-1][1] == starts:
            starts = joined.pop()[0]
        joined.append((starts, row["ends_at"]))
    return joined


def test_the_working_days_of_china_are_those_of_an_independent_package(home: RawHome) -> None:
    """The operator's flood days of July 2026 aside."""
    flood = {date(2026, 7, 15), date(2026, 7, 16)}
    for evaluation in ("as_is", "as_was"):
        found = dates(home, "china", evaluation)
        assert (min(found), max(found)) == (date(2007, 1, 1), date(2031, 12, 31))
        different = [
            day
            for day, row in found.items()
            if day.year < 2027
            and day not in flood
            and row["is_working"] != chinese_calendar.is_workday(day)
        ]
        assert different == []


def test_years_without_a_notice_are_provisional_and_follow_the_week(home: RawHome) -> None:
    found = dates(home, "china", "as_is")
    assert {day.year for day, row in found.items() if row["is_provisional"]} == set(
        range(2027, 2032)
    )
    later = [row for day, row in found.items() if day.year > 2026]
    assert all(row["is_working"] == (row["date_on"].isoweekday() < 6) for row in later)
    assert {row["calendar_version"] for row in later} == {None}
    assert not any(row["is_provisional"] for row in dates(home, "always", "as_is").values())
    assert dates(home, "counter", "as_is")[date(2027, 1, 1)]["is_provisional"]


def test_a_status_names_the_announcement_it_rests_on(home: RawHome) -> None:
    """2026-02-14 is a make-up day of the notice of November 2025, known to the month."""
    was, now = dates(home, "china", "as_was"), dates(home, "china", "as_is")
    told = {
        (date(2019, 1, 2), "as_was"): date(2018, 12, 6),
        (date(2019, 1, 2), "as_is"): date(2019, 3, 22),
        (date(2019, 5, 2), "as_was"): date(2019, 3, 22),
        (date(2020, 1, 24), "as_was"): date(2019, 11, 21),
        (date(2020, 2, 1), "as_was"): date(2020, 1, 27),
        (date(2026, 2, 14), "as_was"): date(2025, 11, 30),
        (date(2026, 7, 15), "as_was"): date(2026, 7, 15),
        (date(2026, 7, 16), "as_is"): date(2026, 7, 17),
    }
    for (day, evaluation), version in told.items():
        row = (was if evaluation == "as_was" else now)[day]
        assert row["calendar_version"] == version, (day, evaluation)


def test_what_is_announced_during_a_day_moves_nothing_that_was_due_before(home: RawHome) -> None:
    """At 15:00 of 2026-07-15 the day is taken off: as was its hours end then (07:00 UTC), and as a
    whole it was off in the end; as is it has no hours. On 07-16 the flood was told a day late."""
    day, after = date(2026, 7, 15), date(2026, 7, 16)
    assert spans(home, "china", "Asia/Shanghai", "as_was", day) == [
        (datetime(2026, 7, 15, 1), datetime(2026, 7, 15, 4)),
        (datetime(2026, 7, 15, 5, 30), datetime(2026, 7, 15, 7)),
    ]
    assert spans(home, "china", "Asia/Shanghai", "as_is", day) == []
    assert not dates(home, "china", "as_was")[day]["is_working"]
    assert dates(home, "china", "as_was")[after]["is_working"]
    assert not dates(home, "china", "as_is")[after]["is_working"]
    assert len(spans(home, "china", "Asia/Shanghai", "as_was", after)) == 2


def test_what_is_announced_after_the_build_is_not_known_to_it(home: RawHome) -> None:
    for evaluation in ("as_was", "as_is"):
        assert dates(home, "china", evaluation)[date(2026, 8, 3)]["is_working"]


def test_hours_of_its_own_and_going_back_to_the_week_beat_the_base(home: RawHome) -> None:
    """Urumqi is UTC+6: 10:00-12:00 is 04:00-06:00. The longer hours were announced on 02-28, after
    the day. Sat 2026-02-14 works in china and not in the hall."""
    own = date(2026, 2, 16)
    assert spans(home, "hall", "Asia/Urumqi", "as_was", own) == [
        (datetime(2026, 2, 16, 4), datetime(2026, 2, 16, 6))
    ]
    assert spans(home, "hall", "Asia/Urumqi", "as_is", own) == [
        (datetime(2026, 2, 16, 3), datetime(2026, 2, 16, 4))
    ]
    saturday = date(2026, 2, 14)
    assert dates(home, "china", "as_was")[saturday]["is_working"]
    assert not dates(home, "hall", "as_was")[saturday]["is_working"]
    assert spans(home, "hall", "Asia/Urumqi", "as_was", date(2026, 2, 17)) == []


@pytest.mark.parametrize(("calendar", "zone"), TIMELINES)
def test_the_intervals_are_those_of_the_arithmetic_in_python(
    home: RawHome, calendar: str, zone: str
) -> None:
    faults: list[Any] = []
    shipped = read_rule_tables(PROJECT / "seeds", faults)
    assert faults == []
    own = operator_rows()
    tables = {table: [*rows, *own[table]] for table, rows in shipped.items()}
    found = read_seed_calendar(calendar, tables, zone=zone, known_at=AS_OF.replace(tzinfo=UTC))
    first = datetime(2007, 1, 1, tzinfo=found.zone)
    last = datetime(2032, 1, 1, tzinfo=found.zone)
    expected: list[tuple[int, int]] = []
    for low, high, _ in found.intervals(micros_of(first), micros_of(last)):
        if expected and expected[-1][1] == low:
            expected[-1] = (expected[-1][0], high)
        else:
            expected.append((low, high))
    built = [
        (micros_of(starts.replace(tzinfo=UTC)), micros_of(ends.replace(tzinfo=UTC)))
        for starts, ends in spans(home, calendar, found.zone.key, "as_is")
    ]
    assert len(built) == 1 if calendar == "always" else len(built) > 100
    assert built == expected
    for day, row in dates(home, calendar, "as_is").items():
        python = found.day(day)
        assert (row["is_working"], row["is_provisional"]) == (
            python.is_working,
            python.is_provisional,
        ), day


@pytest.mark.parametrize("calendar", ["china", "hall", "counter"])
def test_an_instant_was_working_time_if_it_was_by_what_was_announced_by_then(
    home: RawHome, calendar: str
) -> None:
    """Every five hours around the announcements, the calendar known at that instant is asked."""
    shipped, own = read_rule_tables(PROJECT / "seeds", []), operator_rows()
    tables = {table: [*rows, *own[table]] for table, rows in shipped.items()}
    zone = dict(TIMELINES)[calendar]
    was = spans(home, calendar, zone, "as_was")
    for first, days in ((datetime(2020, 1, 26), 9), (datetime(2026, 2, 13), 5), (SEEN, 18)):
        for hours in range(0, 24 * days, 5):
            at = first + timedelta(hours=hours)
            known = at.replace(tzinfo=UTC)
            then = read_seed_calendar(calendar, tables, zone=zone, known_at=known)
            micros = micros_of(known)
            expected = then.between(micros, micros + 1) == 1
            assert any(starts <= at < ends for starts, ends in was) == expected, at


def test_seconds_are_numbered_without_a_gap(home: RawHome) -> None:
    faults = home.rows(
        """
        select * from (
            select
                *,
                coalesce(sum(seconds) over (
                    partition by calendar_id, zone, evaluation order by starts_at
                    rows between unbounded preceding and 1 preceding
                ), 0) as before_s,
                lead(starts_at) over (
                    partition by calendar_id, zone, evaluation order by starts_at
                ) as next_at
            from marts.calendar_interval
        )
        where before_s <> cumulative_s or next_at < ends_at or seconds <= 0
            or date_diff('second', starts_at, ends_at) <> seconds
        """
    )
    assert faults == []


def test_neighbouring_working_days_are_named_and_numbered(home: RawHome) -> None:
    """Golden vector V10: the tenth working day after 2026-02-12 is 03-04."""
    found = dates(home, "china", "as_is")
    eve = found[date(2026, 2, 14)]
    assert (eve["previous_working_on"], eve["next_working_on"]) == (
        date(2026, 2, 13),
        date(2026, 2, 24),
    )
    tenth = found[date(2026, 2, 12)]["working_day_no"] + 10
    assert [
        day for day, row in found.items() if row["working_day_no"] == tenth and row["is_working"]
    ] == [date(2026, 3, 4)]
    assert found[date(2007, 1, 1)]["previous_working_on"] is None
    assert found[date(2031, 12, 31)]["next_working_on"] is None


def test_the_dates_of_the_operator_reach_to_the_end_of_next_year(home: RawHome) -> None:
    rows = home.rows("select * from marts.dim_date order by date_on")
    assert len(rows) == (date(2028, 1, 1) - date(2007, 1, 1)).days
    assert rows[-1]["date_on"] == date(2027, 12, 31)
    flood = next(row for row in rows if row["date_on"] == date(2026, 7, 16))
    assert (flood["is_workday"], flood["holiday_name"]) == (False, "大水")
    assert rows[1]["date_on"] - rows[0]["date_on"] == timedelta(days=1)
