"""Working days of the calendars: from the published snapshot, before that from the seeds."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date

from connectors.contract import Contract
from connectors.delivery_calendar import WorkingDay
from pipelines.installation import Installation
from pipelines.settings import PROJECT_ROOT

_SEED = PROJECT_ROOT / "dbt_project" / "seeds" / "calendar_day.csv"
_SATURDAY = 5


def working_days_of(installation: Installation, calendar: str) -> WorkingDay:
    """Whether a day is a working day of a calendar."""
    known = _published(installation, calendar) or _seeded(calendar)
    always = calendar == "always"
    return lambda day: known.get(day, always or _weekdays(day))


def working_days(installation: Installation) -> Callable[[Contract], WorkingDay]:
    """A function that gives the working days of a contract's calendar; each is read once."""
    read: dict[str, WorkingDay] = {}

    def of_contract(contract: Contract) -> WorkingDay:
        if not any(
            s.delivery and s.delivery.calendar == "working" for s in contract.streams.values()
        ):
            return _weekdays
        calendar = contract.calendar or installation.settings.calendar
        if calendar not in read:
            read[calendar] = working_days_of(installation, calendar)
        return read[calendar]

    return of_contract


def _weekdays(day: date) -> bool:
    return day.weekday() < _SATURDAY


def _published(installation: Installation, calendar: str) -> dict[date, bool]:
    """The days of a calendar in the snapshot that serves; empty before the first one."""
    from cubes.errors import SnapshotError

    try:
        with installation.snapshot() as snapshot, snapshot.cursor() as cursor:
            return dict(
                cursor.execute(
                    "select date_on, is_working from marts.calendar_date where calendar_id = ?",
                    [calendar],
                ).fetchall()
            )
    except SnapshotError:
        return {}


def _seeded(calendar: str) -> dict[date, bool]:
    """The days that a notice takes out of the weekly pattern, as shipped."""
    with _SEED.open(encoding="utf-8", newline="") as file:
        return {
            date.fromisoformat(row["date_on"]): row["is_working"] == "true"
            for row in csv.DictReader(file)
            if row["calendar_id"] == calendar
        }
