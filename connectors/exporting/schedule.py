"""Which exports are due: by their declarations, what was made, what is published and the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors.exporting.declaration import ExportDeclaration

IsWorking = Callable[[date], bool]

MOST_DAYS = 31
"""How many days back a missed daily export is made up for."""
_MOST_MONTHS = 12


@dataclass(frozen=True)
class DueExport:
    """One export of one business date whose time has come, and since when it had."""

    declaration: ExportDeclaration
    business_date: date
    since: datetime


@dataclass(frozen=True)
class ExportHistory:
    """What became of an export: since when it goes out (None: never yet), the days it was made for,
    and the first day that was noted as not made."""

    first_at: datetime | None
    made: frozenset[date]
    owed: date | None = None


@dataclass(frozen=True)
class DuePlan:
    """`due` is to be made now, by declaration and day; `lapsed` lies too far back for that."""

    due: tuple[DueExport, ...]
    lapsed: tuple[DueExport, ...]


def due_exports(
    declarations: Iterable[ExportDeclaration],
    *,
    published: date,
    now: datetime,
    zone: str,
    is_working: IsWorking,
    history: Callable[[str], ExportHistory],
) -> DuePlan:
    """The exports to be made now, oldest first within a declaration.

    `published` is the business date of the snapshot that serves. Every day whose moment came after
    the export first went out or failed is made up for, the last 31 days or 12 months; what lies
    further back has lapsed. One that never went out begins with the published day and those that
    share its moment, as days off do. A month's export is made as soon as its last day is published.
    """
    due: list[DueExport] = []
    lapsed: list[DueExport] = []
    for declaration in declarations:
        known = history(declaration.export)
        reach = _reach(declaration, published)
        for day in _days(declaration, known, published, is_working, zone):
            since = _moment(declaration, day, is_working, zone)
            if day in known.made or now < since:
                continue
            one = DueExport(declaration, day, since)
            (due if day >= reach else lapsed).append(one)
    return DuePlan(tuple(due), tuple(lapsed))


def _reach(declaration: ExportDeclaration, published: date) -> date:
    """The first day that is still made up for."""
    if declaration.schedule.every == "day":
        return published - timedelta(days=MOST_DAYS - 1)
    *_, first = (day for day, _ in zip(_month_ends(published), range(_MOST_MONTHS), strict=False))
    return first


def _month_ends(published: date) -> Iterator[date]:
    """The last days of whole months, from the last one that is published backwards."""
    after = published + timedelta(days=1)
    while True:
        after = after.replace(day=1)
        yield after - timedelta(days=1)
        after -= timedelta(days=1)


def _days(
    declaration: ExportDeclaration,
    known: ExportHistory,
    published: date,
    is_working: IsWorking,
    zone: str,
) -> list[date]:
    """The days whose moment came since it first went out or failed, and those of the published
    day's moment; oldest first."""
    is_daily = declaration.schedule.every == "day"
    backwards = _each_day(published) if is_daily else _month_ends(published)
    latest = next(backwards)
    moment = _moment(declaration, latest, is_working, zone)
    days = [latest]
    for day in backwards:
        # The moment of a day before one off is that of the day off.
        own = _moment(declaration, day, is_working, zone)
        is_since_first = known.first_at is not None and own > known.first_at
        is_owed = known.owed is not None and day >= known.owed
        if own != moment and not is_since_first and not is_owed:
            break
        days.append(day)
    return days[::-1]


def _each_day(published: date) -> Iterator[date]:
    day = published
    while True:
        yield day
        day -= timedelta(days=1)


def _moment(
    declaration: ExportDeclaration, day: date, is_working: IsWorking, zone: str
) -> datetime:
    """From when an export of `day` is due: the next day that its calendar allows, at its hour."""
    schedule = declaration.schedule
    due_on = day + timedelta(days=1)
    while schedule.calendar == "working" and not is_working(due_on):
        due_on += timedelta(days=1)
    hour = time.fromisoformat(schedule.at)
    return datetime.combine(due_on, hour, tzinfo=ZoneInfo(zone))
