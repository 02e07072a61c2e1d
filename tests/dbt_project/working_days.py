"""An independent naive day-walk: working seconds and the n-th working day, minute by minute.

It reads the package chinesecalendar, not our seeds, and shares no code with the models.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import chinese_calendar

IsWorking = Callable[[date], bool]
CHINA = [(time(9), time(12)), (time(13, 30), time(18))]


def is_chinese_working_day(day: date) -> bool:
    """Whether `day` is worked; years without a notice follow the week."""
    if day.year > 2026:
        return day.isoweekday() < 6
    return bool(chinese_calendar.is_workday(day))


def working_seconds(
    start: datetime, end: datetime, zone: str, is_working: IsWorking = is_chinese_working_day
) -> int:
    """Working seconds in [start, end), both aware, by walking every local day."""
    local = ZoneInfo(zone)
    day, last, total = start.astimezone(local).date(), end.astimezone(local).date(), 0.0
    while day <= last:
        if is_working(day):
            for opens, closes in CHINA:
                begin = max(start, datetime.combine(day, opens, local))
                finish = min(end, datetime.combine(day, closes, local))
                total += max(0.0, (finish - begin).total_seconds())
        day += timedelta(days=1)
    return int(total)


def nth_working_day(day: date, count: int, is_working: IsWorking = is_chinese_working_day) -> date:
    """The `count`-th working day strictly after `day`."""
    while count:
        day += timedelta(days=1)
        count -= is_working(day)
    return day
