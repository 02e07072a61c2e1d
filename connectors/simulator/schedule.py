"""When the source systems deliver: one batch a month at first, then one a day."""

from dataclasses import dataclass
from datetime import date, timedelta

from .days import DAILY_START, START, USAGE_START, day_no, month_bounds


@dataclass(frozen=True)
class Slot:
    """One delivery of a stream: the days [covers_from, business_day] and its number."""

    covers_from: int
    business_day: int
    sequence: int


def slots(first: date, through: int) -> list[Slot]:
    """All deliveries of a stream whose records begin on `first`, up to day `through`."""
    found: list[Slot] = []
    day, daily = day_no(first), day_no(DAILY_START)
    while day <= through:
        last = day
        if day < daily:
            last = min(month_bounds(START + timedelta(days=day))[1], daily - 1)
        if last > through:
            break
        found.append(Slot(day, last, len(found) + 1))
        day = last + 1
    return found


def slots_of(source: str, through: int) -> list[Slot]:
    """All deliveries of a file source up to day `through`."""
    return slots(USAGE_START if source == "cdr" else START, through)
