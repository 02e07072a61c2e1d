"""What the resolution clocks of the two public data sets must say, from their files alone.

Read with the csv module and counted by walking days; nothing of the product is used. The rules are
the shipped defaults for sources without policies of their own: five working days from Monday to
Friday, of which each has the hours from 09:00 to 17:00 in New York, due at the end of the fifth
working day after the day of creation.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

_FRIDAY = 5
_OPENS, _CLOSES = time(9), time(17)
_TARGET_DAYS = 5
_NYC_FROM, _NYC_TO = date(2003, 3, 1), date(2019, 12, 31)


@dataclass(frozen=True)
class Clock:
    """State of a resolution clock and, where it stopped, its working seconds."""

    state: str
    elapsed_s: int | None


def nyc_clocks(data: Path) -> dict[str, Clock]:
    """By case number; an impossible closing date, or none on a closed row, is an unknown end."""
    clocks = {}
    with data.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            created, closed = _moment(row["Created Date"]), _moment(row["Closed Date"])
            if created is None:
                continue
            if closed is not None and closed >= created:
                is_met = closed.date() <= _last_day(created.date())
                state = "met" if is_met else "breached"
                clocks[row["Unique Key"]] = Clock(state, _working_seconds(created, closed))
            elif row["Status"] == "Closed" or row["Closed Date"]:
                clocks[row["Unique Key"]] = Clock("cancelled", None)
            else:
                clocks[row["Unique Key"]] = Clock("breached", None)
    return clocks


def cfpb_states(data: Path, as_of: date) -> dict[str, str]:
    """By case number; no row dates its end, so how long a closed case took is unknown."""
    states = {}
    with data.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            received = date.fromisoformat(row["Date received"])
            if row["Company response to consumer"].startswith("Closed"):
                states[row["Complaint ID"]] = "cancelled"
            else:
                is_late = as_of > _last_day(received)
                states[row["Complaint ID"]] = "breached" if is_late else "running"
    return states


def _moment(text: str) -> datetime | None:
    if not text or text == "N/A":
        return None
    moment = datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p")  # noqa: DTZ007  (local wall time)
    return moment if _NYC_FROM <= moment.date() <= _NYC_TO else None


def _last_day(created: date) -> date:
    day, left = created, _TARGET_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.isoweekday() <= _FRIDAY
    return day


def _working_seconds(start: datetime, stop: datetime) -> int:
    total, day = timedelta(), start.date()
    while day <= stop.date():
        if day.isoweekday() <= _FRIDAY:
            opens = max(datetime.combine(day, _OPENS), start)
            closes = min(datetime.combine(day, _CLOSES), stop)
            total += max(closes - opens, timedelta())
        day += timedelta(days=1)
    return int(total.total_seconds())
