"""The local clock of a zone: instants as microseconds, local times as text, local days and ends.

Microseconds since 1970 (UTC) are whole numbers, so that sums and differences are exact. Which
instants a stretch of local time covers is decided by what a clock on the wall shows: an hour that
is skipped covers nothing, an hour that is repeated is covered twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MICROSECONDS = 1_000_000
"""Microseconds in a second."""
FIRST_YEAR, LAST_YEAR = 1900, 2399
"""The years in which instants are counted."""

Span = tuple[int, int]
"""From (inclusive) to (exclusive), in microseconds since 1970 or in seconds since midnight."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.date().toordinal()
_DAY = 86_400 * MICROSECONDS
_MICROSECOND = timedelta(microseconds=1)


def zone_of(name: object) -> ZoneInfo:
    """The zone of an IANA name; ValueError for anything else."""
    try:
        if isinstance(name, str) and name:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ValueError(f"{name!r} is not an IANA time zone such as Asia/Shanghai")


def micros_of(instant: datetime) -> int:
    """An aware instant in microseconds since 1970; ValueError for a naive one or a far year."""
    if instant.utcoffset() is None:
        raise ValueError(f"{instant} has no offset from UTC")
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError(f"year {instant.year} is outside {FIRST_YEAR} to {LAST_YEAR}")
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(micros: int, zone: ZoneInfo) -> datetime:
    """The instant of microseconds since 1970, with the offset that the zone has then.

    The offset is a fixed one: instants of one `ZoneInfo` are compared and subtracted by what the
    wall shows, which goes wrong in an hour that is repeated.
    """
    local = _local(micros, zone)
    offset = local.utcoffset()
    assert offset is not None
    return local.replace(tzinfo=timezone(offset), fold=0)


def local_date(micros: int, zone: ZoneInfo) -> date:
    """The date that a calendar on the wall shows."""
    return _local(micros, zone).date()


def read_instant(text: object, zone: ZoneInfo) -> datetime:
    """An ISO 8601 instant; without an offset it is local to `zone`, a date alone is its midnight.

    Raises ValueError for what is no instant, for a local time that the zone skips, and for one that
    comes twice and has no offset.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not an instant such as '2026-02-13T17:00:00+08:00'")
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not an instant such as '2026-02-13T17:00:00+08:00': {error}"
        ) from error
    if instant.utcoffset() is None:
        instant = _local_instant(text, instant.replace(tzinfo=None), zone)
    return instant_of(micros_of(instant), zone)


def _local_instant(text: str, naive: datetime, zone: ZoneInfo) -> datetime:
    first, second = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != naive:
        raise ValueError(f"{text!r} does not exist in {zone.key}: its clocks skip this time")
    both = " and ".join(one.isoformat() for one in (first, second))
    raise ValueError(f"{text!r} comes twice in {zone.key}, as {both}: state the offset")


@lru_cache(maxsize=4096)
def offset_segments(zone: ZoneInfo, year: int) -> tuple[tuple[int, int, int], ...]:
    """The stretches of one offset from UTC around a year: (from, to, offset), in microseconds.

    They join, and reach two days beyond the year on both sides.
    """
    begin = (date(year, 1, 1).toordinal() - 2 - _EPOCH_DAY) * _DAY
    finish = (date(year, 12, 31).toordinal() + 3 - _EPOCH_DAY) * _DAY
    segments: list[tuple[int, int, int]] = []
    since, offset, moment = begin, _offset(begin, zone), begin
    while moment < finish:
        following = moment + _DAY
        changed = _offset(following, zone)
        if changed != offset:
            low, high = moment, following
            while high - low > MICROSECONDS:
                middle = (low + high) // (2 * MICROSECONDS) * MICROSECONDS
                low, high = (middle, high) if _offset(middle, zone) == offset else (low, middle)
            segments.append((since, high, offset))
            since, offset = high, changed
        moment = following
    segments.append((since, finish, offset))
    return tuple(segments)


def local_spans(zone: ZoneInfo, day: date, hours: Iterable[Span]) -> tuple[Span, ...]:
    """The instants in which the wall shows `day` and a time within `hours`, in order.

    `hours` are seconds since midnight, up to 86,400; the spans are microseconds since 1970.
    """
    midnight = (day.toordinal() - _EPOCH_DAY) * _DAY
    found: list[Span] = []
    for begin, finish in hours:
        opens, closes = midnight + begin * MICROSECONDS, midnight + finish * MICROSECONDS
        pieces: list[Span] = []
        for since, until, offset in offset_segments(zone, day.year):
            low, high = max(since, opens - offset), min(until, closes - offset)
            if low >= high:
                continue
            if pieces and pieces[-1][1] == low:
                low = pieces.pop()[0]
            pieces.append((low, high))
        found.extend(pieces)
    return tuple(sorted(found))


def day_end(zone: ZoneInfo, day: date) -> int:
    """24:00 of a local day: the instant from which on the wall shows a later date for good."""
    midnight = (day.toordinal() + 1 - _EPOCH_DAY) * _DAY
    return max(
        min(until, midnight - offset)
        for since, until, offset in offset_segments(zone, day.year)
        if since < midnight - offset
    )


def _local(micros: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=micros)).astimezone(zone)


def _offset(micros: int, zone: ZoneInfo) -> int:
    offset = _local(micros, zone).utcoffset()
    assert offset is not None
    return offset // _MICROSECOND
