"""When the source systems deliver.

The systems that were connected first sent a batch a month, those that came later a batch a quarter;
since DAILY_START all send one a day, the letter room one a working day. Accounts are delivered
whole, surveys once a round.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from .days import DAILY_START, START, USAGE_START, day_no, day_of, is_working, month_bounds

_ACCOUNT_DAYS = (date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 23))
_LATER_SYSTEMS = ("letters", "wechat", "call_centre", "chat", "monitoring")
# The wechat system leaves out a number of its replies before this day.
GAP_DAY = day_no(date(2026, 3, 27))
ROUND_DAYS = 10


@dataclass(frozen=True)
class Slot:
    """One delivery of a stream: the days [covers_from, business_day] and its number."""

    covers_from: int
    business_day: int
    sequence: int


def _numbered(last_days: Iterable[int], first: int, through: int) -> list[Slot]:
    """Deliveries that end on the given days, each beginning after the one before."""
    found: list[Slot] = []
    for day in last_days:
        if day > through:
            break
        found.append(Slot(first, day, len(found) + 1))
        first = day + 1
    return found


def _monthly(first: date, through: int) -> list[int]:
    """The ends of months from `first` on, then every day."""
    daily = day_no(DAILY_START)
    days = []
    day = first
    while day < DAILY_START:
        days.append(min(month_bounds(day)[1], daily - 1))
        day = day_of(days[-1] + 1)
    return [*days, *range(daily, through + 1)]


def _is_quarter_end(day: int) -> bool:
    following = day_of(day + 1)
    return following.day == 1 and following.month in (1, 4, 7, 10)


def round_of(day: date) -> int:
    """The number of the survey round that ends in the quarter of a day."""
    return (day.year - START.year) * 4 + (day.month - 1) // 3 + 1


def round_end(number: int) -> int:
    """The day on which a survey round ends and is delivered: the 25th of the quarter's end."""
    return day_no(date(START.year + (number - 1) // 4, (number - 1) % 4 * 3 + 3, 25))


def slots_of(source: str, stream: str, through: int) -> list[Slot]:
    """All deliveries of a stream up to day `through`."""
    if stream == "accounts":
        days = [*map(day_no, _ACCOUNT_DAYS), *range(day_no(DAILY_START), through + 1)]
        # Each is whole and stands for its own day.
        return [Slot(day, day, n) for n, day in enumerate(days, 1) if day <= through]
    if source == "survey":
        rounds = range(1, round_of(day_of(through)) + 1)
        ends = [round_end(number) for number in rounds]
        return [
            Slot(end - ROUND_DAYS + 1, end, n) for n, end in zip(rounds, ends, strict=True)
            if end <= through
        ]  # fmt: skip
    if source not in _LATER_SYSTEMS:
        first = USAGE_START if source == "cdr" else START
        return _numbered(_monthly(first, through), day_no(first), through)
    daily = day_no(DAILY_START)
    days = [day for day in range(daily) if _is_quarter_end(day) or day == daily - 1]
    days += [
        day for day in range(daily, through + 1) if source != "letters" or is_working(day_of(day))
    ]
    found = _numbered(days, 0, through)
    if stream == "replies":
        return [
            Slot(s.covers_from, s.business_day, s.sequence + (s.business_day >= GAP_DAY))
            for s in found
        ]
    return found
