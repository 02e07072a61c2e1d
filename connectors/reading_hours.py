"""Reading hours: the local hours in which the owner of a source allows us to read it."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

from connectors.contract import Contract

OUTSIDE_HOURS = "outside_hours"


def outside_hours(contract: Contract, now: datetime, zone: str) -> str | None:
    """Why a source may not be read at `now`, or None if it may.

    `interface.hours` (`22:00-06:00`) are hours of the operator's `zone`; the end is not part of
    them, and equal ends mean the whole day.
    """
    hours = contract.interface.hours
    if hours is None:
        return None
    first, last = (time.fromisoformat(part) for part in hours.split("-"))
    local = now.astimezone(ZoneInfo(zone)).time()
    inside = first <= local < last if first < last else local >= first or local < last
    if inside:
        return None
    return f"it is {local:%H:%M} in {zone}, the source may be read {hours}"
