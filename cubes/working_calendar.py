"""A working calendar: which instants are working time, and which dates are working days.

Working seconds are numbered month by month (D.4): a month's working intervals stand with the
seconds before each, so that an elapsed time is a difference and a due time its left-limit inverse,
both found by bisection. Months are numbered when first asked for, so a calendar has no end of its
own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from cubes.errors import CalendarTooShort, NoWorkingTime
from cubes.local_clock import (
    FIRST_YEAR,
    LAST_YEAR,
    Span,
    day_end,
    instant_of,
    local_date,
    local_spans,
    micros_of,
)

MOST_IDLE_YEARS = 10
"""After so many years without working time it is not looked for any further."""
FURTHEST_YEARS = 100
"""A due time further off than this many years is a fault of its target."""

DayKind = Literal["week", "holiday", "makeup"]


@dataclass(frozen=True)
class CalendarDay:
    """One date: whether it is a working day, why, and its working intervals.

    `spans` are microseconds since 1970, in order and apart. A day off may have some: what was
    worked before the day off was announced.
    """

    date_on: date
    is_working: bool
    spans: tuple[Span, ...]
    kind: DayKind = "week"
    name: str = ""
    is_provisional: bool = False


class _Month:
    """The working intervals of one local month, numbered."""

    def __init__(self, days: Iterable[CalendarDay]) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.before: list[int] = []
        self.after: list[int] = []
        self.working: list[int] = []
        self.days: dict[date, CalendarDay] = {}
        self.dates: list[date] = []
        spans: list[tuple[int, int, date]] = []
        for day in days:
            self.days[day.date_on] = day
            if day.is_working:
                self.working.append(day.date_on.toordinal())
            spans.extend((low, high, day.date_on) for low, high in day.spans)
        counted = 0
        for low, high, day_on in sorted(spans):
            self.starts.append(low)
            self.ends.append(high)
            self.before.append(counted)
            counted += high - low
            self.after.append(counted)
            self.dates.append(day_on)
        self.total = counted

    def position(self, micros: int) -> int:
        """Working time of the month before an instant: w(t) of D.4."""
        index = bisect_right(self.starts, micros) - 1
        if index < 0:
            return 0
        return self.before[index] + min(micros, self.ends[index]) - self.starts[index]

    def instant(self, position: int) -> int:
        """The earliest instant at which w has reached `position`, which is positive."""
        index = bisect_left(self.after, position)
        return self.starts[index] + position - self.before[index]


@dataclass(frozen=True, eq=False)
class WorkingCalendar:
    """Working time in one zone. `days` gives any date from `first` to `last` and is pure.

    All methods take and give microseconds since 1970 (`local_clock`) or dates. They raise
    CalendarTooShort outside `first` to `last`.
    """

    name: str
    zone: ZoneInfo
    days: Callable[[date], CalendarDay] = field(repr=False)
    first: date = date(FIRST_YEAR, 1, 1)
    last: date = date(LAST_YEAR, 12, 31)
    _months: dict[int, _Month] = field(default_factory=dict, init=False, repr=False)

    def day(self, day: date) -> CalendarDay:
        """What a date is."""
        self._require(day)
        return self._month(_number(day)).days[day]

    def between(self, start: int, end: int) -> int:
        """|[start, end) ∩ W|, the working time between two instants; 0 if the end is not after."""
        if end <= start:
            return 0
        first, last = _number(self._date(start)), _number(self._date(end))
        passed = sum(self._month(number).total for number in range(first, last))
        return passed + self._month(last).position(end) - self._month(first).position(start)

    def advance(self, start: int, amount: int) -> int:
        """The earliest t with between(start, t) >= amount > 0: the left-limit inverse of D.4.

        Raises NoWorkingTime where the calendar has no such instant within reason.
        """
        day = self._date(start)
        position = self._month(_number(day)).position(start) + amount
        for month in self._months_from(day, start):
            if position <= month.total:
                return month.instant(position)
            position -= month.total
        raise self._none(start)

    def next_moment(self, start: int) -> int:
        """The first working moment at or after an instant; raises NoWorkingTime."""
        for month in self._months_from(self._date(start), start):
            index = bisect_right(month.ends, start)
            if index < len(month.ends):
                return max(start, month.starts[index])
        raise self._none(start)

    def intervals(self, start: int, end: int) -> Iterator[tuple[int, int, date]]:
        """The working intervals within [start, end), in order, each with its date."""
        if end <= start:
            return
        for number in range(_number(self._date(start)), _number(self._date(end)) + 1):
            month = self._month(number)
            for index in range(bisect_right(month.ends, start), len(month.starts)):
                if month.starts[index] >= end:
                    return
                low, high = max(start, month.starts[index]), min(end, month.ends[index])
                yield low, high, month.dates[index]

    def working_days_between(self, after: date, until: date) -> int:
        """How many working days lie after one date, up to and including another (D.5)."""
        if until <= after:
            return 0
        self._require(after)
        self._require(until)
        months = range(_number(after), _number(until))
        passed = sum(len(self._month(number).working) for number in months)
        return passed + self._count_until(until) - self._count_until(after)

    def nth_working_day(self, after: date, count: int) -> date:
        """The `count`-th working day strictly after a date (D.5); `count` is at least 1.

        Raises NoWorkingTime where there is none within reason.
        """
        start = self.day_end(after)
        left = count + self._count_until(after)
        for month in self._months_from(after, start):
            if left <= len(month.working):
                return date.fromordinal(month.working[left - 1])
            left -= len(month.working)
        raise self._none(start)

    def day_end(self, day: date) -> int:
        """24:00 of a date."""
        self._require(day)
        return day_end(self.zone, day)

    def date_of(self, micros: int) -> date:
        """The local date of an instant."""
        return local_date(micros, self.zone)

    def _date(self, micros: int) -> date:
        """The local date of an instant within the calendar; 24:00 of the last date is within."""
        day = self.date_of(micros)
        if day > self.last and micros == day_end(self.zone, self.last):
            return self.last
        self._require(day)
        return day

    def _count_until(self, day: date) -> int:
        """Working days of the date's month up to and including it."""
        return bisect_right(self._month(_number(day)).working, day.toordinal())

    def _months_from(self, day: date, start: int) -> Iterator[_Month]:
        """The months from a date on; ends after too many, or too many without working time."""
        first, idle = _number(day), 0
        for number in range(first, first + 12 * FURTHEST_YEARS + 1):
            if number > _number(self.last):
                raise self._short(_first_day(number))
            month = self._month(number)
            yield month
            rest = month.total - month.position(start) if number == first else month.total
            idle = 0 if rest else idle + 1
            if idle > 12 * MOST_IDLE_YEARS:
                return

    def _month(self, number: int) -> _Month:
        known = self._months.get(number)
        if known is None:
            first = max(_first_day(number), self.first).toordinal()
            end = min(_first_day(number + 1).toordinal(), self.last.toordinal() + 1)
            known = _Month(self.days(date.fromordinal(one)) for one in range(first, end))
            self._months[number] = known
        return known

    def _require(self, day: date) -> None:
        if not self.first <= day <= self.last:
            raise self._short(day)

    def _short(self, day: date) -> CalendarTooShort:
        return CalendarTooShort(
            f"Calendar {self.name!r} holds {self.first} to {self.last}, and {day} was asked of it. "
            "Trying again does not help; ask for a time within, or build a longer calendar."
        )

    def _none(self, start: int) -> NoWorkingTime:
        return NoWorkingTime(
            f"Calendar {self.name!r} does not reach the target from "
            f"{instant_of(start, self.zone).isoformat()} on: {FURTHEST_YEARS} years, or "
            f"{MOST_IDLE_YEARS} years without working time, were looked at. Trying again does not "
            "help; correct the calendar or the target."
        )


def _number(day: date) -> int:
    """The number of a date's month, whole years being twelve apart."""
    return day.year * 12 + day.month - 1


def _first_day(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def weekly_calendar(
    name: str,
    zone: ZoneInfo,
    week: Mapping[int, tuple[Span, ...]],
    *,
    holidays: Mapping[date, str] | None = None,
    workdays: Mapping[date, tuple[Span, ...]] | None = None,
) -> WorkingCalendar:
    """A calendar of weekly hours, holidays by name and workdays with their hours (D.2).

    `week` maps ISO weekdays (1 = Monday) to seconds since midnight. A workday beats a holiday,
    which beats the week. A day without hours is not a working day.
    """
    off, made = dict(holidays or {}), dict(workdays or {})

    def day(date_on: date) -> CalendarDay:
        hours = made.get(date_on)
        if hours is not None:
            spans = local_spans(zone, date_on, hours)
            return CalendarDay(date_on, bool(hours), spans, "makeup", off.get(date_on, ""))
        if date_on in off:
            return CalendarDay(date_on, False, (), "holiday", off[date_on])
        hours = week.get(date_on.isoweekday(), ())
        return CalendarDay(date_on, bool(hours), local_spans(zone, date_on, hours))

    return WorkingCalendar(name, zone, day)


def interval_calendar(
    name: str,
    zone: ZoneInfo,
    intervals: Iterable[tuple[datetime, datetime]],
    dates: Iterable[CalendarDay],
) -> WorkingCalendar:
    """A calendar of aware intervals and dates, such as marts.calendar_interval and calendar_date.

    It reaches from the first to the last of `dates` (whose own spans are not read); an interval
    over midnight is cut there. Raises ValueError without dates.
    """
    known = {day.date_on: day for day in dates}
    if not known:
        raise ValueError(f"calendar {name!r} has no dates")
    spans: dict[date, list[Span]] = {}
    for starts_at, ends_at in intervals:
        low, high = micros_of(starts_at), micros_of(ends_at)
        while low < high:
            day_on = local_date(low, zone)
            cut = min(high, day_end(zone, day_on))
            spans.setdefault(day_on, []).append((low, cut))
            low = cut
    first, last = min(known), max(known)

    def day(date_on: date) -> CalendarDay:
        own = tuple(sorted(spans.get(date_on, ())))
        of = known.get(date_on)
        if of is None:
            return CalendarDay(date_on, bool(own), own)
        return CalendarDay(date_on, of.is_working, own, of.kind, of.name, of.is_provisional)

    return WorkingCalendar(name, zone, day, first, last)


def next_working_day(calendar: WorkingCalendar, day: date) -> date:
    """The first working day at or after a date: where a limit of calendar days rolls to (D.5)."""
    return calendar.nth_working_day(day - timedelta(days=1), 1)
