"""Working time as a plain walk over the days, for the truth alone.

Hours are 09:00-12:00 and 13:30-18:00 of the operator's working days, instants local seconds from
day 0. An instant counts by what was announced by then, a whole day by what was announced before its
end. Pauses are [from, to) in order, `to` None while one lasts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

from .days import DAY_S, day_no, day_of, is_working

_HOUR = 3600
_OPENING = ((9 * _HOUR, 12 * _HOUR), (13 * _HOUR + 1800, 18 * _HOUR))
_FARTHEST = 4000
Pause = tuple[int, int | None]


@dataclass(frozen=True)
class ClosingDay:
    """A working day on which nobody worked, and when that was announced."""

    day: int
    announced: int
    announced_text: str
    name: str


CLOSING_DAYS = (
    ClosingDay(
        day_no(date(2025, 8, 14)),
        day_no(date(2025, 8, 13)) * DAY_S + 16 * _HOUR,
        "2025-08-13T16:00",
        "暴雨停业",
    ),
    # The announcement came after the day: it had been a working day for everyone until then.
    ClosingDay(
        day_no(date(2025, 11, 17)),
        day_no(date(2025, 11, 19)) * DAY_S,
        "2025-11-19",
        "系统割接停业",
    ),
)
_CLOSING = {closing.day: closing for closing in CLOSING_DAYS}


@cache
def counts(day: int) -> bool:
    """Whether a day counts as a working day of a limit in days."""
    closing = _CLOSING.get(day)
    if closing is not None and closing.announced < (day + 1) * DAY_S:
        return False
    return is_working(day_of(day))


@cache
def _opening(day: int) -> tuple[tuple[int, int], ...]:
    if not is_working(day_of(day)):
        return ()
    closing = _CLOSING.get(day)
    until = closing.announced if closing is not None else (day + 1) * DAY_S
    found = []
    for opens, closes in _OPENING:
        begin, end = day * DAY_S + opens, min(day * DAY_S + closes, until)
        if begin < end:
            found.append((begin, end))
    return tuple(found)


def _parts(start: int, pauses: Sequence[Pause], always: bool) -> Iterator[tuple[int, int | None]]:
    """The counted parts from `start` on; the last one ends with None where a pause lasts."""
    for day in range(start // DAY_S, start // DAY_S + _FARTHEST):
        hours = ((day * DAY_S, (day + 1) * DAY_S),) if always else _opening(day)
        for opens, closes in hours:
            begin = max(opens, start)
            for paused, resumed in pauses:
                if resumed is not None and resumed <= begin:
                    continue
                if paused >= closes:
                    break
                if paused > begin:
                    yield begin, paused
                if resumed is None:
                    yield paused, None
                    return
                begin = max(begin, resumed)
            if begin < closes:
                yield begin, closes


def elapsed(start: int, end: int, pauses: Sequence[Pause] = (), *, always: bool = False) -> int:
    """Working seconds of [start, end) without the pauses; `always` counts every second."""
    total = 0
    for begin, until in _parts(start, pauses, always):
        if until is None or begin >= end:
            break
        total += min(until, end) - begin
    return total


def due_after(
    start: int, seconds: int, pauses: Sequence[Pause] = (), *, always: bool = False
) -> int | None:
    """The first instant at which so many seconds have counted, None while a pause lasts."""
    left = seconds
    for begin, until in _parts(start, pauses, always):
        if until is None:
            return None
        if until - begin >= left:
            return begin + left
        left -= until - begin
    return None


def _end_of_day(day: int, n: int) -> int:
    """24:00 of the n-th working day after a day."""
    while n > 0:
        day += 1
        n -= counts(day)
    return (day + 1) * DAY_S


def due_in_days(start: int, days: int, pauses: Iterable[Pause] = ()) -> int | None:
    """24:00 of the n-th working day after the start day, None while a pause lasts.

    A pause moves it by the working days after the day it began, up to the day it ended.
    """
    first = start // DAY_S
    due = _end_of_day(first, days)
    for paused, resumed in pauses:
        if paused >= due:
            break
        if resumed is None:
            return None
        days += sum(counts(day) for day in range(paused // DAY_S + 1, resumed // DAY_S + 1))
        due = _end_of_day(first, days)
    return due
