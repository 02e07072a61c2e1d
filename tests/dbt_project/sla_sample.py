"""Random calendars, policies and cases, and the rows that tell a home of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from cubes.rule_table import RULE_TABLES
from tests.cubes.day_walk import WEEKDAYS
from tests.dbt_project.deliveries import case as case_row
from tests.dbt_project.deliveries import event as event_row
from tests.dbt_project.raw_home import RawHome
from tests.dbt_project.sla_reference import SETTLED, Case, Policy, Step

# Some of these zones set their clocks at midnight, one by half an hour.
ZONES = (
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Asia/Urumqi",
    "Africa/Cairo",
    "Pacific/Auckland",
    "Asia/Kolkata",
    "America/Havana",
    "Asia/Tokyo",
    "America/Santiago",
)
FIRST_DAY, LAST_DAY = date(2026, 2, 1), date(2027, 12, 31)
PAUSING = ("waiting_on_reporter", "waiting_on_partner", "accepted")
_DAY = 1440


def random_hours(rng: random.Random) -> list[list[str]]:
    """One to three intervals of a day, sometimes to midnight, sometimes with no gap between."""
    count = rng.randint(1, 3)
    marks = range(0, _DAY + 1, 5)
    if rng.random() < 0.2:
        points = sorted(rng.sample(marks, count + 1))
        return [[_time(a), _time(b)] for a, b in pairwise(points)]
    points = sorted(rng.sample(marks, 2 * count))
    if rng.random() < 0.15:
        points[-1] = _DAY
    return [[_time(points[i]), _time(points[i + 1])] for i in range(0, 2 * count, 2)]


def random_form(rng: random.Random, zone: str) -> dict[str, Any]:
    """A calendar in the form of `sla eval`."""
    week = {weekday: random_hours(rng) for weekday in WEEKDAYS if rng.random() < 0.7}
    week = week or {"wed": random_hours(rng)}
    days = (LAST_DAY - FIRST_DAY).days
    off = [FIRST_DAY + timedelta(days=rng.randrange(days)) for _ in range(30)]
    made = [FIRST_DAY + timedelta(days=rng.randrange(days)) for _ in range(15)]
    return {
        "zone": zone,
        "week": week,
        "holidays": sorted({day.isoformat() for day in off}),
        "workdays": {
            day.isoformat(): rng.choice(sorted(week)) if rng.random() < 0.5 else random_hours(rng)
            for day in made
        },
    }


def add_calendar(rows: dict[str, list[dict[str, str]]], name: str, form: dict[str, Any]) -> None:
    """Append the rows of the rule tables that say what the form says."""
    rows.setdefault("calendar", []).append({"calendar_id": name, "zone": form["zone"]})
    for weekday, hours in form["week"].items():
        for starts, ends in hours:
            rows.setdefault("calendar_template", []).append(
                {
                    "calendar_id": name,
                    "weekday": str(WEEKDAYS.index(weekday) + 1),
                    "starts": starts,
                    "ends": ends,
                }
            )
    for day in form.get("holidays", ()):
        rows.setdefault("calendar_day", []).append(day_row(name, day, is_working=False))
    for day, hours in form.get("workdays", {}).items():
        rows["calendar_day"].extend(working_day_rows(name, day, hours))


def day_row(name: str, day: str, *, is_working: bool | None, **values: str) -> dict[str, str]:
    """One row of calendar_day; `is_working` None is back to the week."""
    said = "" if is_working is None else str(is_working).lower()
    return {"calendar_id": name, "date_on": day, "is_working": said, "name": "x", **values}


def working_day_rows(
    name: str, day: str, hours: str | list[list[str]], **values: str
) -> list[dict[str, str]]:
    """The rows of a make-up day, with the hours of a weekday or its own."""
    if isinstance(hours, str):
        like = str(WEEKDAYS.index(hours) + 1)
        return [day_row(name, day, is_working=True, like_weekday=like, **values)]
    return [
        day_row(name, day, is_working=True, starts=starts, ends=ends, **values)
        for starts, ends in hours
    ]


def random_target(rng: random.Random, calendar_id: str) -> dict[str, Any]:
    """What a policy counts: unit, target, end of its last day, pauses."""
    unit = rng.choice(("business_seconds", "calendar_seconds", "working_days", "calendar_days"))
    target = {
        "business_seconds": rng.choice((rng.randint(1, 200_000), 3600 * rng.randint(1, 60))),
        "calendar_seconds": rng.choice((rng.randint(60, 2_000_000), 3600 * rng.randint(1, 400))),
        "working_days": rng.randint(1, 12),
        "calendar_days": rng.randint(1, 40),
    }[unit]
    return {
        # Seconds of the calendar are those of a calendar that never closes.
        "calendar_id": "always" if unit == "calendar_seconds" else calendar_id,
        "target": None if rng.random() < 0.04 else target,
        "unit": unit,
        "rolls": rng.random() < 0.5,
        "ends": rng.choice(("midnight", "business")),
        "pause_statuses": tuple(one for one in PAUSING if rng.random() < 0.5),
    }


def random_steps(rng: random.Random, start: datetime, until: datetime) -> list[Step]:
    """What happens to a case: it waits, is resolved or closed, and sometimes comes back."""
    steps: list[Step] = []
    at, status = start, "new"
    for _ in range(rng.randint(0, 9)):
        at += timedelta(
            seconds=rng.choice((0, rng.randrange(600), rng.randrange(90_000), rng.randrange(10**6)))
        )
        if at > until:
            break
        if status in SETTLED:
            code = rng.choice(("CK", "CK", "BJ" if status == "resolved" else "CK"))
            values: dict[str, Any] = {}
        else:
            code = rng.choice(("SL", "PD", "DD", "DD", "DD", "DD", "ZB", "TH", "JJ", "JJ", "JJ"))
            code = rng.choice(("BJ", "CX")) if rng.random() < 0.05 else code
            values = {"status_code": rng.choice(("CL", "DU", "DP", "DU"))} if code == "DD" else {}
        step = Step(at, code, values)
        steps.append(step)
        status = step.status or status
    return steps


def random_start(rng: random.Random, until: datetime, days: int) -> datetime:
    """An instant of the days before another; some are old, most are not."""
    span = days if rng.random() < 0.6 else 30
    return until - timedelta(seconds=rng.randrange(span * 86_400))


def add_rules(home: RawHome, rows: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
    """Put rows of rule tables into a home as the operator's own."""
    for table, columns in RULE_TABLES.items():
        added = [
            {column: row.get(column, "") for column in columns}
            | {"row_no": number, "recorded_at": datetime(2026, 1, 1)}  # noqa: DTZ001
            for number, row in enumerate(rows.get(table, ()), start=1)
        ]
        if added:
            names = ", ".join(added[0])
            marks = ", ".join("(" + ", ".join("?" for _ in row) + ")" for row in added)
            home.execute(
                f"insert into raw.operator_{table} ({names}) values {marks}",
                [value for row in added for value in row.values()],
            )


def policy_rows(policies: Sequence[Policy]) -> list[dict[str, str]]:
    """The rows of the rule table, in order."""
    return [policy.row() for policy in policies]


def add_cases(home: RawHome, cases: Sequence[Case]) -> None:
    """Put cases and their events into the raw tables of the hotline."""
    made = [
        case_row(
            one.case_no,
            _naive(one.created_at),
            category_path=one.category,
            urgency_code=one.urgency,
            kind_code=one.kind_code,
        )
        for one in cases
    ]
    happened = [
        event_row(
            f"{one.case_no}-{number:02d}",
            one.case_no,
            step.code,
            _naive(step.at),
            status_code=step.values.get("status_code"),
            priority_code=step.values.get("priority_code"),
            category_path=step.values.get("category_path"),
            kind_code=step.values.get("kind_code"),
        )
        for one in cases
        for number, step in enumerate(one.steps)
    ]
    for table, rows in (("hotline__cases", made), ("hotline__events", happened)):
        for first in range(0, len(rows), 1000):
            home.add(table, rows[first : first + 1000])


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def _time(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
