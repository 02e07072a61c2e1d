"""Working calendars at hand: of the published snapshot, before that of the rule tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cubes.published_calendar import published_timeline, published_zone
from cubes.working_calendar import WorkingCalendar
from pipelines.installation import Installation
from pipelines.operator_rows import read_rule_files

if TYPE_CHECKING:
    from cubes.snapshot import Snapshot

# A snapshot of an earlier version may lack any of these.
_READ = {"calendar_interval": "evaluation", "calendar_date": "evaluation", "dim_calendar": "zone"}


@dataclass(frozen=True)
class FoundCalendar:
    """A calendar as it is known now, and the snapshot it is from; None if from the rule tables."""

    calendar: WorkingCalendar
    snapshot: str | None


def find_calendar(
    installation: Installation, calendar_id: str, zone: str | None = None
) -> FoundCalendar:
    """The calendar of an id with all rows known, in its own zone if it has one, else in `zone`, by
    default the operator's.

    A snapshot counts that holds it in that zone; otherwise the shipped rule tables with the
    operator's rows do. Raises QueryError for an unknown calendar or zone, DeclarationError for
    faulty rows.
    """
    from cubes.errors import SnapshotError

    try:
        with installation.snapshot() as snapshot:
            found = _published(snapshot, calendar_id, zone, installation.settings.timezone)
            if found is not None:
                return FoundCalendar(found, snapshot.tag)
    except SnapshotError:
        # Nothing is published yet; the rule tables tell the same calendars.
        pass
    return FoundCalendar(_ruled(installation, calendar_id, zone), None)


def _published(
    snapshot: Snapshot, calendar_id: str, zone: str | None, operator_zone: str
) -> WorkingCalendar | None:
    for table, column in _READ.items():
        if snapshot.warehouse.column_type(table, column) is None:
            return None
    with snapshot.cursor() as cursor:
        counted = published_zone(cursor, calendar_id, zone or operator_zone)
        if counted is None:
            return None
        return published_timeline(cursor, calendar_id, counted, "as_is")[0]


def _ruled(installation: Installation, calendar_id: str, zone: str | None) -> WorkingCalendar:
    from cubes.errors import DeclarationError, Fault
    from cubes.rule_calendar import read_seed_calendar

    faults: list[Fault] = []
    tables = read_rule_files(installation.home, faults)
    if faults:
        raise DeclarationError("calendar", faults)
    return read_seed_calendar(calendar_id, tables, zone=zone or installation.settings.timezone)
