"""Periods: days, months, quarters, years, ranges, and periods relative to the business date.

Syntax: `2026-03-30`, `2026-03`, `2026-Q1`, `2026`, `a..b` (inclusive, each side at its own grain),
`last 7 days`, `last 7 working days`, `last 3 months`, `week|month|quarter|year to date` (the unit
alone means the same), `last full week|month|quarter|year`. A relative period ends on the business
date itself, which is the last complete day; the last full month is the one that ended on it or
before it.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, get_args

from cubes.errors import QueryError, ValueFault

Comparison = Literal["previous", "same_weekday", "same_working_day", "month", "year", "lunar_year"]
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)

CALENDAR_COMPARISONS = frozenset({"same_working_day", "lunar_year"})
"""Those that need the calendar's table."""

_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})\Z")
_MONTH = re.compile(r"(\d{4})-(\d{2})\Z")
_QUARTER = re.compile(r"(\d{4})-[Qq]([1-4])\Z")
_YEAR = re.compile(r"(\d{4})\Z")
_LAST = re.compile(r"last (\d+) (working day|day|week|month|year)s?\Z")
_LAST_FULL = re.compile(r"last full (week|month|quarter|year)\Z")
_TO_DATE = re.compile(r"(week|month|quarter|year)(?: to date)?\Z")

_MONTHS_OF = {"month": 1, "quarter": 3, "year": 12}

_FORMS = (
    "2026-03-30", "2026-03", "2026-Q1", "2026", "2026-03-01..2026-03-30", "last 7 days",
    "last 7 working days", "last 3 months", "week|month|quarter|year to date",
    "last full week|month|quarter|year",
)  # fmt: skip


@dataclass(frozen=True)
class Period:
    """Days from `start` to `end`, both inclusive and None when open.

    `days` (sorted) is set when the period is not every day between them. `months` is the length in
    months of a period made of whole months or running to date; `is_whole` tells them apart.
    `is_running_week` says that it is the days of a week so far, whose previous is a week before.
    """

    start: date | None = None
    end: date | None = None
    days: tuple[date, ...] | None = None
    months: int | None = None
    is_whole: bool = False
    is_running_week: bool = False

    @property
    def is_open(self) -> bool:
        """Whether one end is missing."""
        return self.start is None or self.end is None


def add_months(day: date, months: int) -> date:
    """The same day `months` later (earlier if negative), at most that month's last day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def _month_end(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def needs_working_days(text: str) -> bool:
    """Whether parsing `text` needs the calendar's working days."""
    return "working day" in text


def working_days_needed(text: str) -> int:
    """How many working days up to the business date `text` and its previous period need."""
    found = _LAST.match(_normal(text))
    return 2 * int(found.group(1)) if found and found.group(2) == "working day" else 0


def _normal(text: str) -> str:
    return " ".join(text.split())


def parse_period(
    text: str, business_date: date | None, working_days: Sequence[date] = ()
) -> Period:
    """Parse a period.

    `working_days` are those up to the business date (any order), needed for working days only.
    Raises QueryError for unknown syntax, impossible dates, or a missing business date or calendar.
    """
    plain = _normal(text)
    try:
        return _parse(plain, business_date, working_days)
    except (ValueError, OverflowError) as error:
        # What we did not raise is Python's word on a date that cannot be.
        reason = error.text("zh") if isinstance(error, ValueFault) else f"没有这样的日期（{error}）"
        raise QueryError(
            zh=f"无法识别时期“{text}”：{reason}。可以写成：{'、'.join(_FORMS)}。",
            en=f"The period '{text}' cannot be read: {error}. Expected one of: "
            f"{', '.join(_FORMS)}.",
        ) from error


def _parse(text: str, business_date: date | None, working_days: Sequence[date]) -> Period:
    if ".." in text:
        first, _, second = text.partition("..")
        return _between(first.strip(), second.strip())
    absolute = _absolute(text)
    if absolute is not None:
        return absolute
    relative = _LAST.match(text) or _TO_DATE.match(text) or _LAST_FULL.match(text)
    if relative is None:
        raise ValueFault(zh="没有这种写法", en="this is no known period")
    if business_date is None:
        raise ValueFault(zh="相对的时期需要业务日期", en="a relative period needs a business date")
    if relative.re is _TO_DATE:
        return _to_date(relative.group(1), business_date)
    if relative.re is _LAST_FULL:
        return _last_full(relative.group(1), business_date)
    return _last(int(relative.group(1)), relative.group(2), business_date, working_days)


def _absolute(text: str) -> Period | None:
    if found := _DAY.match(text):
        day = date(*(int(part) for part in found.groups()))
        return Period(day, day)
    if found := _MONTH.match(text):
        return _whole(date(int(found.group(1)), int(found.group(2)), 1), 1)
    if found := _QUARTER.match(text):
        return _whole(date(int(found.group(1)), int(found.group(2)) * 3 - 2, 1), 3)
    if found := _YEAR.match(text):
        return _whole(date(int(found.group(1)), 1, 1), 12)
    return None


def _whole(start: date, months: int) -> Period:
    last = add_months(start, months - 1)
    return Period(start, _month_end(last), None, months, True)


def _between(first: str, second: str) -> Period:
    start, end = (_absolute(side) if side else None for side in (first, second))
    if (first and start is None) or (second and end is None):
        raise ValueFault(
            zh="区间的两端必须是日、月、季度或年",
            en="both ends of a range must be days, months, quarters or years",
        )
    if start is None or end is None:
        if start is None and end is None:
            raise ValueFault(zh="区间至少要写一端", en="a range needs at least one end")
        return Period(start.start if start else None, end.end if end else None)
    assert start.start is not None and end.end is not None
    if end.end < start.start:
        raise ValueFault(zh="结束早于开始", en="it ends before it begins")
    if start.is_whole and end.is_whole:
        months = (end.end.year - start.start.year) * 12 + end.end.month - start.start.month + 1
        return Period(start.start, end.end, None, months, True)
    return Period(start.start, end.end)


def _to_date(unit: str, end: date) -> Period:
    if unit == "week":
        return Period(end - timedelta(days=end.weekday()), end, is_running_week=True)
    months = _MONTHS_OF[unit]
    start = date(end.year, (end.month - 1) // months * months + 1, 1)
    return Period(start, end, None, months)


def _last_full(unit: str, end: date) -> Period:
    running = _to_date(unit, end + timedelta(days=1)).start
    assert running is not None
    if unit == "week":
        return Period(running - timedelta(days=7), running - timedelta(days=1))
    return _whole(add_months(running, -_MONTHS_OF[unit]), _MONTHS_OF[unit])


def _last(count: int, unit: str, end: date, working_days: Sequence[date]) -> Period:
    if count < 1:
        raise ValueFault(zh="数量至少是 1", en="the count must be at least 1")
    if unit == "working day":
        days = sorted(day for day in working_days if day <= end)[-count:]
        if len(days) < count:
            raise ValueFault(
                zh="日历（dim_date）往前没有这么多工作日",
                en="the calendar (dim_date) does not reach back so many working days",
            )
        return Period(days[0], days[-1], tuple(days))
    if unit in ("day", "week"):
        length = count * (7 if unit == "week" else 1)
        return Period(end - timedelta(days=length - 1), end)
    months = count * (12 if unit == "year" else 1)
    return Period(add_months(end, -months) + timedelta(days=1), end, None, months)


_MOST_DAYS = 20_000
_LAST_MONDAY = date.max - timedelta(days=6)


def whole_units(period: Period, grain: str | None) -> Period:
    """The period at a grain, where its ends are days that units of the grain begin with.

    So a month can be asked for as it is shown, by its first day.
    """
    if grain in (None, "day") or period.days is not None or period.months is not None:
        return period
    ends = [day for day in (period.start, period.end) if day is not None]
    if any(_unit_start(day, str(grain)) != day for day in ends) or period.end is None:
        return period
    if grain == "week":
        return Period(period.start, min(period.end, _LAST_MONDAY) + timedelta(days=6))
    return Period(period.start, _month_end(add_months(period.end, _MONTHS_OF[str(grain)] - 1)))


def _unit_start(day: date, grain: str) -> date:
    if grain == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(month=day.month - (day.month - 1) % _MONTHS_OF[grain], day=1)


def union(periods: Sequence[Period]) -> Period:
    """All days of the periods together; a list of several must have both ends each."""
    if len(periods) == 1:
        return periods[0]
    days: set[date] = set()
    for period in periods:
        days.update(days_of(period))
    ordered = tuple(sorted(days))
    return Period(ordered[0], ordered[-1], ordered)


def intersection(first: Period, second: Period) -> Period | None:
    """The days in both; None when there are none."""
    starts = [p.start for p in (first, second) if p.start is not None]
    ends = [p.end for p in (first, second) if p.end is not None]
    start, end = max(starts, default=None), min(ends, default=None)
    if start is not None and end is not None and start > end:
        return None
    if first.days is None and second.days is None:
        for period in (first, second):
            if (start, end) == (period.start, period.end):
                return period
        return Period(start, end)
    sets = [set(p.days) for p in (first, second) if p.days is not None]
    days = tuple(
        sorted(
            day
            for day in set.intersection(*sets)
            if (start is None or day >= start) and (end is None or day <= end)
        )
    )
    return Period(days[0], days[-1], days) if days else None


def to_months(period: Period) -> Period:
    """The period for a fact that knows months only: the first days of the months it touches.

    Of a period of a length in months (`last 3 months`, `month to date`) they are those that begin
    in it, so that there are as many.
    """
    if period.days is not None:
        days = tuple(sorted({day.replace(day=1) for day in period.days}))
        return Period(days[0], days[-1], days)
    start = period.start.replace(day=1) if period.start else None
    end = period.end.replace(day=1) if period.end else None
    if start is None or end is None:
        return Period(start, end)
    if period.months is not None and start != period.start:
        start = add_months(start, 1)
    months = (end.year - start.year) * 12 + end.month - start.month + 1
    return Period(start, end, None, months)


def days_of(period: Period) -> Sequence[date]:
    """Every day of a period with both ends, in order; QueryError for an open or a huge one."""
    if period.days is not None:
        return period.days
    if period.start is None or period.end is None:
        raise QueryError(
            zh="只有起止都明确的时期才能逐日列出。",
            en="Days can be listed only for a period with both ends.",
        )
    length = (period.end - period.start).days + 1
    if length > _MOST_DAYS:
        raise QueryError(
            zh=f"要逐日列出的时期不能超过 {_MOST_DAYS} 天。",
            en=f"A period whose days are listed may not span more than {_MOST_DAYS} days.",
        )
    return [period.start + timedelta(days=index) for index in range(length)]
