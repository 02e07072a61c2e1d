"""The outage: a cut trunk cable in one prefecture, on the last two days of the first delivery."""

from datetime import date

from .days import day_no

OUTAGE_DATES = (date(2026, 3, 29), date(2026, 3, 30))
OUTAGE_DAYS = tuple(day_no(d) for d in OUTAGE_DATES)
# Complaints at scale 1 and the fewest at any scale; the third day is the tail after the repair.
_VOLUME = {OUTAGE_DAYS[0]: (46, 16), OUTAGE_DAYS[1]: (72, 22), OUTAGE_DAYS[1] + 1: (14, 3)}


def outage_cases(day: int, scale: float) -> int:
    """How many cases of the day are due to the outage."""
    most, least = _VOLUME.get(day, (0, 0))
    return max(least, round(most * scale**0.5)) if most else 0
