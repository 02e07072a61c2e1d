"""An independent naive day-walk: elapsed and due times, working days and limits of days.

It walks day by day over the local wall clock, interval by interval, and subtracts pauses as sets;
where an offset from UTC changes it looks at every minute. It imports nothing of ours.

A calendar is a dict in the JSON form of `huiyin sla eval`: {"zone", "week": {"mon": [["09:00",
"12:00"]]}, "holidays": ["2026-02-16"], "workdays": {"2026-02-14": "mon" or intervals}}, with times
to the whole minute. Instants are aware datetimes; a pause is (from, to), `to` None while it is
open. Results are aware datetimes in UTC, or dates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

Pause = tuple[datetime, datetime | None]
Piece = tuple[datetime, datetime]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NEVER = datetime(9000, 1, 1, tzinfo=UTC)
_MOST_DAYS = 20_000


def hours_of(calendar: dict[str, Any], day: date) -> list[tuple[int, int]]:
    """The working intervals of a date, in minutes since midnight."""
    text = day.isoformat()
    made = calendar.get("workdays", {})
    if text in made:
        hours = made[text]
        if isinstance(hours, str):
            hours = calendar["week"].get(hours, [])
    elif text in calendar.get("holidays", []):
        hours = []
    else:
        hours = calendar["week"].get(WEEKDAYS[day.weekday()], [])
    return sorted((_minutes(begin), _minutes(finish)) for begin, finish in hours)


def is_working_day(calendar: dict[str, Any], day: date) -> bool:
    """Whether a date has hours."""
    return bool(hours_of(calendar, day))


def working_pieces(calendar: dict[str, Any], day: date) -> list[Piece]:
    """The working time of a date as instants."""
    return list(_pieces(calendar["zone"], day, tuple(hours_of(calendar, day))))


def elapsed(
    calendar: dict[str, Any], start: datetime, end: datetime, pauses: Sequence[Pause] = ()
) -> timedelta:
    """Working time within [start, end) that is in no pause."""
    total = timedelta(0)
    for begin, finish in _counted(calendar, _utc(start), _in_utc(pauses), _utc(end)):
        total += finish - begin
    return total


def due(
    calendar: dict[str, Any], start: datetime, target: timedelta, pauses: Sequence[Pause] = ()
) -> datetime | None:
    """The earliest instant at which so much has been counted; None if an open pause is before.

    With a target of 0 it is the first counted moment.
    """
    left = target
    for begin, finish in _counted(calendar, _utc(start), _in_utc(pauses), None):
        if finish - begin >= left:
            return begin + left
        left -= finish - begin
    return None


def nth_working_day(calendar: dict[str, Any], day: date, count: int) -> date:
    """The `count`-th working day strictly after a date."""
    while count:
        day += timedelta(days=1)
        count -= is_working_day(calendar, day)
    return day


def day_limit(
    calendar: dict[str, Any],
    start: datetime,
    count: int,
    unit: str,
    *,
    rolls: bool = True,
    ends: str = "midnight",
    pauses: Sequence[Pause] = (),
) -> datetime | None:
    """The end of a limit of `count` >= 1 working_days or calendar_days; None in an open pause.

    Pauses must be apart and in order. Each that starts before the limit reached so far moves it by
    the days between the dates of its ends; calendar days roll at the end.
    """
    zone = ZoneInfo(calendar["zone"])
    first = start.astimezone(zone).date()
    last = _days_on(calendar, first, count, unit)
    for begin, finish in _in_utc(pauses):
        begin = max(begin, _utc(start))
        if finish is not None and finish <= begin:
            continue
        if begin >= _end_of(calendar, last, ends):
            break
        if finish is None:
            return None
        day, until = begin.astimezone(zone).date(), finish.astimezone(zone).date()
        while day < until:
            day += timedelta(days=1)
            if unit == "calendar_days" or is_working_day(calendar, day):
                last = _days_on(calendar, last, 1, unit)
    while unit == "calendar_days" and rolls and not is_working_day(calendar, last):
        last += timedelta(days=1)
    return _end_of(calendar, last, ends)


def _days_on(calendar: dict[str, Any], day: date, count: int, unit: str) -> date:
    if unit == "calendar_days":
        return day + timedelta(days=count)
    return nth_working_day(calendar, day, count)


def _end_of(calendar: dict[str, Any], day: date, ends: str) -> datetime:
    pieces = working_pieces(calendar, day) if ends == "business" else []
    return pieces[-1][1] if pieces else _midnight_after(calendar["zone"], day)


def _counted(
    calendar: dict[str, Any], start: datetime, pauses: Sequence[Pause], end: datetime | None
) -> Iterator[Piece]:
    """Counted pieces from `start` on, in order; they stop at `end` or in an open pause."""
    begin_on = start.astimezone(ZoneInfo(calendar["zone"])).date()
    stop = _NEVER if end is None else end
    for begin, finish in pauses:
        if finish is None:
            stop = min(stop, max(begin, start))
    for number in range(_MOST_DAYS):
        day = begin_on + timedelta(days=number)
        pieces = working_pieces(calendar, day)
        for piece in pieces:
            whole = [(max(piece[0], start), min(piece[1], stop))]
            for begin, finish in pauses:
                whole = [part for one in whole for part in _without(one, begin, finish or _NEVER)]
            yield from ((begin, finish) for begin, finish in whole if begin < finish)
        if _midnight_after(calendar["zone"], day) >= stop:
            return
    raise AssertionError("the walk found no end")


def _utc(instant: datetime) -> datetime:
    """The instant in UTC, as instants of one zone compare by what the wall shows."""
    return instant.astimezone(UTC)


def _in_utc(pauses: Sequence[Pause]) -> list[Pause]:
    return [(_utc(begin), None if finish is None else _utc(finish)) for begin, finish in pauses]


def _without(piece: Piece, begin: datetime, finish: datetime) -> list[Piece]:
    parts = [(piece[0], min(piece[1], begin)), (max(piece[0], finish), piece[1])]
    return [part for part in parts if part[0] < part[1]]


@lru_cache(maxsize=100_000)
def _pieces(zone: str, day: date, hours: tuple[tuple[int, int], ...]) -> tuple[Piece, ...]:
    offset = _only_offset(zone, day)
    if offset is not None:
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - offset
        return tuple(
            (midnight + timedelta(minutes=begin), midnight + timedelta(minutes=finish))
            for begin, finish in hours
        )
    pieces: list[Piece] = []
    for minute, wall in _wall_clock(zone, day):
        shown = wall.hour * 60 + wall.minute
        if wall.date() != day or not any(begin <= shown < finish for begin, finish in hours):
            continue
        following = minute + timedelta(minutes=1)
        if pieces and pieces[-1][1] == minute:
            pieces[-1] = (pieces[-1][0], following)
        else:
            pieces.append((minute, following))
    return tuple(pieces)


@lru_cache(maxsize=100_000)
def _midnight_after(zone: str, day: date) -> datetime:
    offset = _only_offset(zone, day)
    if offset is not None:
        return datetime(day.year, day.month, day.day, tzinfo=UTC) - offset + timedelta(days=1)
    return max(
        minute + timedelta(minutes=1)
        for minute, wall in _wall_clock(zone, day)
        if wall.date() <= day
    )


@lru_cache(maxsize=100_000)
def _only_offset(zone: str, day: date) -> timedelta | None:
    """The offset of a day and the hours around it, if it is one and of whole minutes."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    local = ZoneInfo(zone)
    offsets = {
        (noon + timedelta(hours=hour)).astimezone(local).utcoffset() for hour in range(-30, 31, 3)
    }
    return offsets.pop() if len(offsets) == 1 else None


@lru_cache(maxsize=1000)
def _wall_clock(zone: str, day: date) -> tuple[tuple[datetime, datetime], ...]:
    """The minutes around a day in which the wall shows it or the day before, with what it shows."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    local = ZoneInfo(zone)
    minutes = [noon + timedelta(minutes=number) for number in range(-30 * 60, 30 * 60)]
    shown = [(minute, minute.astimezone(local)) for minute in minutes]
    around = (day - timedelta(days=1), day)
    return tuple((minute, wall) for minute, wall in shown if wall.date() in around)


def _minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)
