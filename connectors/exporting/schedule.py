"""Which exports are due: from their declarations, the published business date and the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors.exporting.declaration import ExportDeclaration

IsWorking = Callable[[date], bool]


@dataclass(frozen=True)
class DueExport:
    """One export of one business date whose time has come, and since when it had."""

    declaration: ExportDeclaration
    business_date: date
    since: datetime


def due_exports(
    declarations: Iterable[ExportDeclaration],
    *,
    published: date,
    now: datetime,
    zone: str,
    is_working: IsWorking,
    is_made: Callable[[str, date], bool],
) -> list[DueExport]:
    """The exports to be made now, by declaration.

    `published` is the business date of the snapshot that serves, `is_made` tells whether an export
    of that name and day was made. Days whose moment is the same, as those before a working day,
    are made together; a moment at which nothing ran is not made up for later. A month's export is
    made as soon as its last day is published.
    """
    local = now.astimezone(ZoneInfo(zone))
    due = [
        DueExport(declaration, day, _moment(declaration, day, is_working, zone))
        for declaration in declarations
        for day in _days(declaration, published, is_working)
        if not is_made(declaration.export, day)
    ]
    return [one for one in due if local >= one.since]


def _days(declaration: ExportDeclaration, published: date, is_working: IsWorking) -> Iterator[date]:
    """The days whose moment is that of the published one, oldest first; or the last whole month."""
    schedule = declaration.schedule
    if schedule.every == "day":
        first = published
        # The moment of a day before one off is that of the day off.
        while schedule.calendar == "working" and not is_working(first):
            first -= timedelta(days=1)
        for number in range((published - first).days + 1):
            yield first + timedelta(days=number)
        return
    after = published + timedelta(days=1)
    yield after.replace(day=1) - timedelta(days=1)


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
