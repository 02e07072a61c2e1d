"""Working calendars at hand: of the published snapshot, before that of the rule tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cubes.published_calendar import published_timeline
from cubes.working_calendar import WorkingCalendar
from pipelines.installation import Installation
from pipelines.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from cubes.snapshot import Snapshot

_SEEDS = "dbt_project/seeds"


@dataclass(frozen=True)
class FoundCalendar:
    """A calendar as it is known now, and the snapshot it is from; None if from the rule tables."""

    calendar: WorkingCalendar
    snapshot: str | None


def find_calendar(
    installation: Installation, calendar_id: str, zone: str | None = None
) -> FoundCalendar:
    """The calendar of an id in a zone (default: its own, else the operator's), all rows known.

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
    for table in ("calendar_interval", "calendar_date"):
        if snapshot.warehouse.column_type(table, "evaluation") is None:
            return None
    with snapshot.cursor() as cursor:
        zones = [
            row[0]
            for row in cursor.execute(
                "select distinct zone from marts.calendar_interval "
                "where calendar_id = ? and evaluation = 'as_is' order by zone",
                [calendar_id],
            ).fetchall()
        ]
        chosen = zone or (zones[0] if len(zones) == 1 else operator_zone)
        if chosen not in zones:
            return None
        return published_timeline(cursor, calendar_id, chosen, "as_is")[0]


def _ruled(installation: Installation, calendar_id: str, zone: str | None) -> WorkingCalendar:
    from cubes.errors import DeclarationError, Fault
    from cubes.rule_calendar import read_seed_calendar
    from cubes.rule_table import read_rule_tables

    faults: list[Fault] = []
    shipped = read_rule_tables(PROJECT_ROOT / _SEEDS, faults)
    own = read_rule_tables(installation.home.site(_SEEDS), faults, is_operator=True)
    if faults:
        raise DeclarationError("calendar", faults)
    tables = {table: [*rows, *own[table]] for table, rows in shipped.items()}
    return read_seed_calendar(calendar_id, tables, zone=zone or installation.settings.timezone)
