"""SQL between local times and naive UTC timestamps.

The engine converts each value by its calendar library, which is slow. Where a zone has had one
offset for years, values after its last change are moved by that offset instead.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from connectors.sql_text import literal

# Changes after this are left to the engine, whose own zone data may differ from Python's.
_KNOWN_BY_ALL = datetime(2015, 1, 1, tzinfo=UTC)
_LAST = datetime(2100, 1, 1, tzinfo=UTC)
_STEP = timedelta(days=7)


@lru_cache
def settled_offset(zone: str) -> tuple[datetime, timedelta] | None:
    """Since when (naive, UTC) a zone keeps one offset from UTC, and that offset; None without one.

    Found by looking at every week of the years 1970 to 2100, with a week to spare.
    """
    region = ZoneInfo(zone)
    offset = _LAST.astimezone(region).utcoffset()
    assert offset is not None
    moment = _LAST
    while moment > datetime(1970, 1, 1, tzinfo=UTC):
        if moment.astimezone(region).utcoffset() != offset:
            break
        moment -= _STEP
    if moment > _KNOWN_BY_ALL:
        return None
    return (moment + 2 * _STEP).replace(tzinfo=None), offset


def to_utc(local: str, zone: str) -> str:
    """SQL of the naive UTC timestamp of a local one; `local` is best a column, not a formula."""
    exact = f"timezone('UTC', timezone({literal(zone)}, {local}))"
    settled = settled_offset(zone)
    if settled is None:
        return exact
    since, offset = settled
    start = literal((since + timedelta(days=1)).isoformat(sep=" "))
    seconds = int(offset.total_seconds())
    return (
        f"case when {local} >= timestamp {start} then {local} - to_seconds({seconds}) "
        f"else {exact} end"
    )


def local_date(instant: str, zone: str) -> str:
    """SQL of the local date of a naive UTC timestamp."""
    exact = f"cast(timezone({literal(zone)}, timezone('UTC', {instant})) as date)"
    settled = settled_offset(zone)
    if settled is None:
        return exact
    since, offset = settled
    start = literal(since.isoformat(sep=" "))
    seconds = int(offset.total_seconds())
    return (
        f"case when {instant} >= timestamp {start} "
        f"then cast({instant} + to_seconds({seconds}) as date) else {exact} end"
    )
