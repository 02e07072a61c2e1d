"""Why a second counted or did not: the rows of a clock's explanation (D.11).

The rows join without a hole and their counted times add up to the elapsed time of the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cubes.local_clock import MICROSECONDS, instant_of, micros_of
from cubes.working_calendar import CalendarDay, WorkingCalendar
from cubes.working_time import Pause, Stop, stops

WORKING = "working"
MAKEUP = "make-up day"
LUNCH = "lunch"
NIGHT = "night"
WEEKEND = "weekend"
HOLIDAY = "holiday"
PAUSED = "paused"
BEFORE = "before start"
AFTER = "after stop"


@dataclass(frozen=True)
class ExplanationRow:
    """One stretch of time of one reason; `ends_at` is None for a pause that is still open.

    `reason` is working, make-up day (working time of one), lunch (between the intervals of a
    working day), night (before the first and after the last), weekend (a day off by the week),
    holiday:<name>, paused:<state>, before start or after stop; a name or state that is not known is
    left out with its colon.
    """

    starts_at: datetime
    ends_at: datetime | None
    counted: timedelta
    reason: str


_Row = tuple[int, int | None, int, str]
"""From, to, counted (microseconds) and reason."""


def explain(
    calendar: WorkingCalendar,
    start: datetime,
    end: datetime | None,
    pauses: Sequence[Pause] = (),
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> tuple[ExplanationRow, ...]:
    """The rows from `start` to `end`, neighbours of one reason as one.

    Without an end they stop with a row of the open pause, which has no end itself. `since` before
    the start and `until` after the end add a row before and one after. An end before the start
    gives the one row between them. Raises CalendarTooShort, and ValueError without an end and an
    open pause.
    """
    first = micros_of(start)
    found = stops(start, pauses)
    rows: list[_Row] = []
    before = min(first if since is None else micros_of(since), first)
    last = None if end is None else micros_of(end)
    if last is not None:
        before = min(before, last)
    if before < first:
        rows.append((before, first, 0, BEFORE))
    if last is None or last > first:
        rows.extend(_merged(_counted(calendar, first, last, found)))
    if last is not None and until is not None and micros_of(until) > max(first, last):
        rows.append((max(first, last), micros_of(until), 0, AFTER))
    return tuple(
        ExplanationRow(
            instant_of(low, calendar.zone),
            None if high is None else instant_of(high, calendar.zone),
            timedelta(microseconds=counted),
            reason,
        )
        for low, high, counted, reason in rows
    )


def seconds_of(duration: timedelta) -> int | float:
    """A duration in seconds, a whole number where it is one."""
    micros = duration // timedelta(microseconds=1)
    return micros // MICROSECONDS if micros % MICROSECONDS == 0 else micros / MICROSECONDS


def _counted(
    calendar: WorkingCalendar, first: int, last: int | None, found: Sequence[Stop]
) -> Iterator[_Row]:
    """The time from `first` to `last`, pause by pause, with the calendar's rows between."""
    reached = first
    for stop in found:
        if last is not None and stop.start >= last:
            break
        yield from _calendar_rows(calendar, reached, stop.start)
        reason = f"{PAUSED}:{stop.state}" if stop.state else PAUSED
        if last is not None:
            reached = last if stop.end is None else min(stop.end, last)
            yield stop.start, reached, 0, reason
        elif stop.end is None:
            yield stop.start, None, 0, reason
            return
        else:
            reached = stop.end
            yield stop.start, reached, 0, reason
    if last is None:
        raise ValueError("a clock without an end or an open pause cannot be explained")
    yield from _calendar_rows(calendar, reached, last)


def _calendar_rows(calendar: WorkingCalendar, start: int, end: int) -> Iterator[_Row]:
    reached = start
    for low, high, day_on in calendar.intervals(start, end):
        yield from _idle_rows(calendar, reached, low)
        made = calendar.day(day_on).kind == "makeup"
        yield low, high, high - low, MAKEUP if made else WORKING
        reached = high
    yield from _idle_rows(calendar, reached, end)


def _idle_rows(calendar: WorkingCalendar, start: int, end: int) -> Iterator[_Row]:
    """A stretch without working time, day by day."""
    while start < end:
        day_on = calendar.date_of(start)
        cut = min(end, calendar.day_end(day_on))
        yield start, cut, 0, _idle_reason(calendar.day(day_on), start)
        start = cut


def _idle_reason(day: CalendarDay, moment: int) -> str:
    if not day.is_working:
        if day.kind != "holiday":
            return WEEKEND
        return f"{HOLIDAY}:{day.name}" if day.name else HOLIDAY
    begun = any(high <= moment for _, high in day.spans)
    to_come = any(low > moment for low, _ in day.spans)
    return LUNCH if begun and to_come else NIGHT


def _merged(rows: Iterator[_Row]) -> Iterator[_Row]:
    held: _Row | None = None
    for row in rows:
        if row[0] == row[1]:
            continue
        if held is not None and held[3] == row[3]:
            held = (held[0], row[1], held[2] + row[2], held[3])
            continue
        if held is not None:
            yield held
        held = row
    if held is not None:
        yield held
