"""The sender's clock: whether the moment at which it says it sent a file can be true."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors.files.exchange import SendLog

_TOLERANCE = timedelta(minutes=5)


def clock_skew(log: SendLog, *, now: datetime, zone: str) -> str | None:
    """What is impossible about `sent_at`, or None; a time without an offset is one of `zone`.

    Nothing is sent after it arrived, and nothing before the first day that it covers has begun.
    """
    sent = aware(log.sent_at, zone)
    if sent - now > _TOLERANCE:
        return f"it says it was sent {_told(sent - now)} after it arrived"
    begin = datetime.combine(log.covers_from, time(), tzinfo=ZoneInfo(zone))
    if begin - sent > _TOLERANCE:
        return f"it says it was sent {_told(begin - sent)} before {log.covers_from} began"
    return None


def aware(moment: datetime, zone: str) -> datetime:
    """A moment with its offset; one without is a local time of `zone`."""
    return moment.replace(tzinfo=ZoneInfo(zone)) if moment.tzinfo is None else moment


def _told(gap: timedelta) -> str:
    minutes = int(gap.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
