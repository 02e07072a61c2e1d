"""Calendars as JSON: zone, weekly hours, holidays and workdays (D.2).

    {"zone": "Asia/Shanghai",
     "week": {"mon": [["09:00", "12:00"], ["13:30", "18:00"]]},
     "holidays": ["2026-02-16"],
     "workdays": {"2026-02-14": "mon", "2026-02-28": [["09:00", "12:00"]]}}

Times of day run to "24:00". A workday replaces the weekly hours of its date, by those of a weekday
or by its own, and beats a holiday; a date without hours is not a working day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from cubes.declaration import suggest
from cubes.json_document import FormFaults, kind_of
from cubes.local_clock import Span, zone_of
from cubes.working_calendar import WorkingCalendar, weekly_calendar

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"(\d{2}):(\d{2})(?::(\d{2}))?")
_MIDNIGHT = 86_400


def calendar_from_form(
    name: str, form: Any, *, path: str, faults: FormFaults
) -> WorkingCalendar | None:
    """The calendar of one JSON object; appends every fault and returns None if there is one."""
    before = len(faults.found)
    keys = ("zone", "week", "holidays", "workdays")
    content = faults.mapping(form, path, required=keys[:2], known=keys)
    zone = _zone(content.get("zone"), f"{path}.zone", faults) if "zone" in content else None
    week = _week(content.get("week", {}), f"{path}.week", faults)
    holidays = _holidays(content.get("holidays", []), f"{path}.holidays", faults)
    workdays = _workdays(content.get("workdays", {}), f"{path}.workdays", week, faults)
    if zone is None or len(faults.found) > before:
        return None
    return weekly_calendar(name, zone, week, holidays=holidays, workdays=workdays)


def seconds_of_day(text: str) -> int:
    """Seconds since midnight of a time of day from "00:00" to "24:00"; ValueError otherwise."""
    match = _TIME.fullmatch(text)
    if match is not None:
        hour, minute, second = (int(part or 0) for part in match.groups())
        seconds = hour * 3600 + minute * 60 + second
        if minute < 60 and second < 60 and seconds <= _MIDNIGHT:
            return seconds
    raise ValueError(f"{text!r} is not a time of day from '00:00' to '24:00'")


def hours_faults(hours: Sequence[Span]) -> list[str]:
    """What is wrong with the intervals of one day: over midnight, empty, or overlapping."""
    wrong = []
    for begin, finish in hours:
        if begin >= finish:
            wrong.append(
                f"{_clock(begin)}-{_clock(finish)} does not end after it starts; over midnight "
                "it is two intervals, to 24:00 and from 00:00 of the next day"
            )
    inside = sorted((begin, finish) for begin, finish in hours if begin < finish)
    reached: Span | None = None
    for begin, finish in inside:
        if reached is not None and begin < reached[1]:
            wrong.append(
                f"{_clock(begin)}-{_clock(finish)} overlaps {_clock(reached[0])}-"
                f"{_clock(reached[1])}"
            )
        if reached is None or finish > reached[1]:
            reached = (begin, finish)
    return wrong


def _zone(value: Any, path: str, faults: FormFaults) -> ZoneInfo | None:
    try:
        return zone_of(value)
    except ValueError as error:
        faults.add(path, str(error))
        return None


def _week(value: Any, path: str, faults: FormFaults) -> dict[int, tuple[Span, ...]]:
    content = faults.mapping(value, path, known=WEEKDAYS)
    return {
        WEEKDAYS.index(name) + 1: _hours(hours, f"{path}.{name}", faults)
        for name, hours in content.items()
        if name in WEEKDAYS
    }


def _holidays(value: Any, path: str, faults: FormFaults) -> dict[date, str]:
    found: dict[date, str] = {}
    for index, text in enumerate(faults.sequence(value, path)):
        day = _date(text, f"{path}[{index}]", faults)
        if day in found:
            faults.add(f"{path}[{index}]", f"{text} stands twice")
        if day is not None:
            found[day] = ""
    return found


def _workdays(
    value: Any, path: str, week: Mapping[int, tuple[Span, ...]], faults: FormFaults
) -> dict[date, tuple[Span, ...]]:
    found: dict[date, tuple[Span, ...]] = {}
    for text, hours in faults.mapping(value, path).items():
        place = f"{path}.{text}"
        day = _date(text, place, faults)
        if isinstance(hours, str):
            if hours not in WEEKDAYS:
                faults.add(
                    place,
                    f"{hours!r} is no weekday (mon to sun) nor a list of intervals"
                    f"{suggest(hours, WEEKDAYS)}",
                )
                continue
            own = week.get(WEEKDAYS.index(hours) + 1, ())
        else:
            own = _hours(hours, place, faults)
        if day is not None:
            found[day] = own
    return found


def _hours(value: Any, path: str, faults: FormFaults) -> tuple[Span, ...]:
    hours: list[Span] = []
    for index, pair in enumerate(faults.sequence(value, path)):
        place = f"{path}[{index}]"
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            faults.add(place, f"must be a pair such as ['09:00', '12:00'], not {kind_of(pair)}")
            continue
        times: list[int] = []
        for text in pair:
            try:
                times.append(seconds_of_day(text if isinstance(text, str) else kind_of(text)))
            except ValueError as error:
                faults.add(place, str(error))
        if len(times) == 2:
            hours.append((times[0], times[1]))
    for fault in hours_faults(hours):
        faults.add(path, fault)
    return tuple(sorted(hours))


def _date(value: Any, path: str, faults: FormFaults) -> date | None:
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    faults.add(path, f"{value!r} is not a date such as '2026-02-16'")
    return None


def _clock(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{second:02}" if second else text
