"""Working calendars at hand: of the published snapshot, before that of the rule tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from cubes.working_calendar import CalendarDay, DayKind, WorkingCalendar, interval_calendar
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
    from cubes.local_clock import zone_of

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
        intervals = cursor.execute(
            "select starts_at, ends_at from marts.calendar_interval "
            "where calendar_id = ? and zone = ? and evaluation = 'as_is' order by starts_at",
            [calendar_id, chosen],
        ).fetchall()
        dates = cursor.execute(
            "select date_on, is_working, is_holiday, is_makeup, holiday_name, is_provisional "
            "from marts.calendar_date where calendar_id = ? and evaluation = 'as_is'",
            [calendar_id],
        ).fetchall()
    return interval_calendar(
        calendar_id,
        zone_of(chosen),
        ((starts.replace(tzinfo=UTC), ends.replace(tzinfo=UTC)) for starts, ends in intervals),
        [
            CalendarDay(on, works, (), _kind(holiday, makeup), name or "", provisional)
            for on, works, holiday, makeup, name, provisional in dates
        ],
    )


def _kind(is_holiday: bool, is_makeup: bool) -> DayKind:
    if is_holiday:
        return "holiday"
    return "makeup" if is_makeup else "week"


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
