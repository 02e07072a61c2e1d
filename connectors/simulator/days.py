"""The simulated time: day numbers, working days of the State Council, seasons.

A day number counts local days (Asia/Shanghai) from START; an instant is whole seconds from the
start of day 0. Shanghai has no daylight saving time, so local arithmetic is exact.
"""

from datetime import date, datetime, timedelta, timezone
from functools import cache

START = date(2025, 1, 1)
FIRST_BUSINESS_DATE = date(2026, 3, 30)
USAGE_START = date(2026, 3, 1)
DAILY_START = date(2026, 3, 24)
NEVER = 1_000_000
DAY_S = 86_400
OFFSET = "+08:00"

_EPOCH = datetime.combine(START, datetime.min.time())


def _span(first: str, last: str) -> set[date]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    return {begin + timedelta(days=n) for n in range((end - begin).days + 1)}


HOLIDAYS: frozenset[date] = frozenset(
    _span("2025-01-01", "2025-01-01")
    | _span("2025-01-28", "2025-02-04")
    | _span("2025-04-04", "2025-04-06")
    | _span("2025-05-01", "2025-05-05")
    | _span("2025-05-31", "2025-06-02")
    | _span("2025-10-01", "2025-10-08")
    | _span("2026-01-01", "2026-01-03")
    | _span("2026-02-15", "2026-02-23")
    | _span("2026-04-04", "2026-04-06")
    | _span("2026-05-01", "2026-05-05")
    | _span("2026-06-19", "2026-06-21")
    | _span("2026-09-25", "2026-09-27")
    | _span("2026-10-01", "2026-10-07")
)
MAKEUP_DAYS: frozenset[date] = frozenset(
    date.fromisoformat(text)
    for text in (
        "2025-01-26",
        "2025-02-08",
        "2025-04-27",
        "2025-09-28",
        "2025-10-11",
        "2026-01-04",
        "2026-02-14",
        "2026-02-28",
        "2026-05-09",
        "2026-09-20",
        "2026-10-10",
    )
)
SPRING_FESTIVALS = (date(2025, 1, 29), date(2026, 2, 17), date(2027, 2, 6))


def day_no(day: date) -> int:
    """Days from START to `day`."""
    return (day - START).days


def day_of(number: int) -> date:
    """The date of a day number."""
    return START + timedelta(days=number)


@cache
def compact(number: int) -> str:
    """The day as YYYYMMDD."""
    return day_of(number).strftime("%Y%m%d")


@cache
def iso(number: int) -> str:
    """The day as YYYY-MM-DD."""
    return day_of(number).isoformat()


def iso_or_none(number: int) -> str | None:
    """The day as text, or None when it never comes."""
    return None if number >= NEVER else iso(number)


def instant_text(seconds: int) -> str:
    """Local time as YYYY-MM-DD HH:MM:SS."""
    return str(_EPOCH + timedelta(seconds=seconds))


def instant_of(seconds: int) -> datetime:
    """The local instant, with its offset."""
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=timezone(timedelta(hours=8)))


@cache
def clock_texts(separator: str) -> tuple[str, ...]:
    """All 86,400 times of a day as text, indexed by the second."""
    return tuple(
        f"{s // 3600:02d}{separator}{s // 60 % 60:02d}{separator}{s % 60:02d}" for s in range(DAY_S)
    )


def is_working(day: date) -> bool:
    """Make-up day beats holiday beats the week."""
    if day in MAKEUP_DAYS:
        return True
    return day not in HOLIDAYS and day.weekday() < 5


@cache
def nth_working_day(number: int, n: int) -> int:
    """Day number of the n-th working day strictly after day `number` (n=0: the day itself)."""
    current = number
    while n > 0:
        current += 1
        if is_working(day_of(current)):
            n -= 1
    return current


def month_bounds(day: date) -> tuple[int, int]:
    """First and last day number of the calendar month of `day`."""
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return day_no(first), day_no(following) - 1


def previous_month(day: date) -> date:
    """The last day of the month before."""
    return day.replace(day=1) - timedelta(days=1)


def _festival_offset(day: date) -> int:
    return min(((day - festival).days for festival in SPRING_FESTIVALS), key=abs)


def sales_season(number: int) -> float:
    """Relative sales volume of a day: growth, week, Spring Festival, National Day, month start."""
    day = day_of(number)
    factor: float = 1.10 ** (number / 365)
    factor *= (0.92, 0.90, 0.92, 0.96, 1.04, 1.20, 1.10)[day.weekday()]
    offset = _festival_offset(day)
    if -15 <= offset <= -3:
        factor *= 1.35
    elif -2 <= offset <= 5:
        factor *= 0.40
    if day.month == 10 and day.day <= 7:
        factor *= 1.25
    if day.day <= 3:
        factor *= 1.15
    return factor


def hotline_season(number: int) -> float:
    """Relative hotline volume of a day: quieter weekends and festivals, a backlog after them."""
    day = day_of(number)
    factor: float = 1.05 ** (number / 365)
    factor *= (1.18, 1.10, 1.06, 1.04, 1.02, 0.84, 0.76)[day.weekday()]
    offset = _festival_offset(day)
    if -1 <= offset <= 5:
        factor *= 0.55
    elif 6 <= offset <= 12:
        factor *= 1.35
    if day.day in (1, 2, 3):
        factor *= 1.12
    return factor


def usage_season(number: int) -> float:
    """Relative traffic of a day."""
    return (0.97, 0.96, 0.97, 0.99, 1.03, 1.06, 1.02)[day_of(number).weekday()]
