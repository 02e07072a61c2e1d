"""Elapsed and due times in working time: pure functions over a calendar and pauses (D.4, D.5).

A target is a duration, or a count of days. Pauses stop the clock: of a duration only the working
time of a pause counts, never its raw length; a limit of days moves by the days between the dates
of a pause's two ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from cubes.local_clock import instant_of, micros_of
from cubes.working_calendar import WorkingCalendar, next_working_day

MOST_DAYS = 36_525
"""The most days of a limit: a hundred years."""

DayUnit = Literal["working_days", "calendar_days"]
DayEnds = Literal["midnight", "business"]


@dataclass(frozen=True)
class Pause:
    """A time in which a clock stands still, from (inclusive) to (exclusive); open without an end.

    `state` names the status that paused it, if known. Raises ValueError for naive instants or an
    end before the start.
    """

    starts_at: datetime
    ends_at: datetime | None
    state: str = ""

    def __post_init__(self) -> None:
        start = micros_of(self.starts_at)
        if self.ends_at is not None and micros_of(self.ends_at) < start:
            raise ValueError(
                f"the pause ends at {self.ends_at.isoformat()}, before it starts at "
                f"{self.starts_at.isoformat()}"
            )


@dataclass(frozen=True)
class DayLimit:
    """A limit of whole days (D.5): the start day is not counted.

    Working days: the n-th working day after the start's date. Calendar days: n dates on, and with
    `rolls` to the next working day where that one is none. It ends at 24:00, or with `ends`
    "business" when the last working interval of that day ends (24:00 where it has none).
    """

    count: int
    unit: DayUnit
    rolls: bool = True
    ends: DayEnds = "midnight"

    def __post_init__(self) -> None:
        if not 0 <= self.count <= MOST_DAYS:
            raise ValueError(f"a limit of {self.count} days is not 0 to {MOST_DAYS:,}")


Target = timedelta | DayLimit


@dataclass(frozen=True)
class Due:
    """When a clock is due, or why there is no such instant.

    `due_at` is None where an open pause begins before the target is reached: then `paused_at` is
    that pause's start, and `remaining` what is left of a duration, `remaining_days` of a limit of
    days. `due_on` is the last day of a limit of days, whose end `due_at` is.
    """

    due_at: datetime | None
    due_on: date | None = None
    paused_at: datetime | None = None
    remaining: timedelta | None = None
    remaining_days: int | None = None


@dataclass(frozen=True)
class Stop:
    """A pause as the arithmetic sees it: microseconds since 1970, `end` None while it is open."""

    start: int
    end: int | None
    state: str


def stops(start: datetime, pauses: Iterable[Pause]) -> tuple[Stop, ...]:
    """Pauses clipped to a clock's start, apart from one another and in order.

    Where pauses overlap, the common time belongs to the one that began first; what begins after an
    open pause is within it.
    """
    begin = micros_of(start)
    raw = [
        Stop(
            max(begin, micros_of(pause.starts_at)),
            None if pause.ends_at is None else micros_of(pause.ends_at),
            pause.state,
        )
        for pause in sorted(pauses, key=lambda pause: (micros_of(pause.starts_at), pause.state))
    ]
    apart: list[Stop] = []
    reached = begin
    for stop in raw:
        low = max(stop.start, reached)
        if stop.end is None:
            apart.append(Stop(low, None, stop.state))
            break
        if stop.end > low:
            apart.append(Stop(low, stop.end, stop.state))
            reached = stop.end
    return tuple(apart)


def elapsed(
    calendar: WorkingCalendar, start: datetime, end: datetime, pauses: Sequence[Pause] = ()
) -> timedelta:
    """|[start, end) ∩ (W \\ P)|, the counted time between two instants (D.4).

    0 if the end is not after the start. Raises CalendarTooShort outside the calendar.
    """
    first, last = micros_of(start), micros_of(end)
    counted = calendar.between(first, last)
    for stop in stops(start, pauses):
        if stop.start >= last:
            break
        until = last if stop.end is None else min(stop.end, last)
        counted -= calendar.between(stop.start, until)
    return timedelta(microseconds=counted)


def due(
    calendar: WorkingCalendar, start: datetime, target: Target, pauses: Sequence[Pause] = ()
) -> Due:
    """The earliest instant at which the target is reached (D.4), or the end of its last day (D.5).

    A duration that is reached exactly lands on the end of an interval, not on the start of the
    next; a duration of 0 is due at the first counted moment at or after the start. Raises
    NoWorkingTime, CalendarTooShort, and ValueError for a negative target or a naive start.
    """
    found = stops(start, pauses)
    if isinstance(target, DayLimit):
        return _day_limit_due(calendar, start, target, found)
    if target < timedelta(0):
        raise ValueError(f"a target of {target.total_seconds()} s is less than none")
    left = target // timedelta(microseconds=1)
    return _moment_due(calendar, start, found) if left == 0 else _due(calendar, start, left, found)


def due_if_resumed(
    calendar: WorkingCalendar,
    start: datetime,
    target: Target,
    pauses: Sequence[Pause],
    resumed_at: datetime,
) -> datetime:
    """When the clock would be due if its open pause ended at `resumed_at` (D.4).

    A pause that begins later than that ends as it begins. Raises what `due` raises.
    """
    closed = [_closed(pause, resumed_at) if pause.ends_at is None else pause for pause in pauses]
    instant = due(calendar, start, target, closed).due_at
    assert instant is not None
    return instant


def _closed(pause: Pause, at: datetime) -> Pause:
    late = micros_of(at) >= micros_of(pause.starts_at)
    return replace(pause, ends_at=at if late else pause.starts_at)


def last_day_end(calendar: WorkingCalendar, day: date, ends: DayEnds) -> datetime:
    """The end of the last day of a limit (D.5)."""
    spans = calendar.day(day).spans if ends == "business" else ()
    end = max(high for _, high in spans) if spans else calendar.day_end(day)
    return instant_of(end, calendar.zone)


def _due(calendar: WorkingCalendar, start: datetime, left: int, found: Sequence[Stop]) -> Due:
    moment = micros_of(start)
    for stop in found:
        worked = calendar.between(moment, stop.start)
        if worked >= left:
            break
        left -= worked
        if stop.end is None:
            paused_at = instant_of(stop.start, calendar.zone)
            return Due(None, paused_at=paused_at, remaining=timedelta(microseconds=left))
        moment = stop.end
    return Due(instant_of(calendar.advance(moment, left), calendar.zone))


def _moment_due(calendar: WorkingCalendar, start: datetime, found: Sequence[Stop]) -> Due:
    moment = calendar.next_moment(micros_of(start))
    for stop in found:
        if moment < stop.start:
            break
        if stop.end is None:
            paused_at = instant_of(stop.start, calendar.zone)
            return Due(None, paused_at=paused_at, remaining=timedelta(0))
        if moment < stop.end:
            moment = calendar.next_moment(stop.end)
    return Due(instant_of(moment, calendar.zone))


def _day_limit_due(
    calendar: WorkingCalendar, start: datetime, limit: DayLimit, found: Sequence[Stop]
) -> Due:
    """The last day is x = d(start) + n + the sum of d(to) - d(from) over the pauses, in order.

    d numbers the days of the unit; a pause counts if it starts before the limit reached so far. A
    limit of calendar days rolls once, when all pauses are counted.
    """
    first = calendar.date_of(micros_of(start))
    days = limit.count
    for stop in found:
        last = _last_day(calendar, start, first, days, limit)
        if stop.start >= micros_of(last_day_end(calendar, last, limit.ends)):
            break
        from_on = calendar.date_of(stop.start)
        if stop.end is None:
            passed = _days_between(calendar, first, from_on, limit.unit)
            paused_at = instant_of(stop.start, calendar.zone)
            return Due(None, paused_at=paused_at, remaining_days=max(0, days - passed))
        days += _days_between(calendar, from_on, calendar.date_of(stop.end), limit.unit)
    last = _last_day(calendar, start, first, days, limit)
    if limit.unit == "calendar_days" and limit.rolls:
        last = next_working_day(calendar, last)
    return Due(last_day_end(calendar, last, limit.ends), last)


def _days_between(calendar: WorkingCalendar, after: date, until: date, unit: DayUnit) -> int:
    if unit == "calendar_days":
        return (until - after).days
    return calendar.working_days_between(after, until)


def _last_day(
    calendar: WorkingCalendar, start: datetime, first: date, days: int, limit: DayLimit
) -> date:
    """The day `days` on; with 0 the start's own, or the first after whose end is not past."""
    if days == 0:
        day = next_working_day(calendar, first) if limit.unit == "working_days" else first
        if last_day_end(calendar, day, limit.ends) >= start:
            return day
        days = 1
    if limit.unit == "calendar_days":
        return first + timedelta(days=days)
    return calendar.nth_working_day(first, days)
