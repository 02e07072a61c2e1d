"""Working calendars of a published snapshot, as far as they are asked for.

Texts are quoted into the statements: binding a value makes the engine load pandas, NumPy and
PyArrow, which doubles the memory of a small process.
"""

from __future__ import annotations

from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING

from cubes.errors import CalendarTooShort
from cubes.local_clock import zone_of
from cubes.working_calendar import CalendarDay, DayKind, WorkingCalendar, interval_calendar

if TYPE_CHECKING:
    import duckdb

_DAY = timedelta(days=1)


def published_timeline(
    cursor: duckdb.DuckDBPyConnection,
    calendar_id: str,
    zone: str,
    evaluation: str,
    first: date = date.min,
    last: date = date.max,
) -> tuple[WorkingCalendar, dict[date, date | None]]:
    """A calendar in one zone and evaluation, of its dates from `first` to `last`, with the
    announcement that each date rests on.

    Raises CalendarTooShort where the snapshot has no such dates.
    """
    dates = cursor.execute(
        "select date_on, is_working, is_holiday, is_makeup, holiday_name, is_provisional, "
        "calendar_version from marts.calendar_date "
        f"where calendar_id = {_quoted(calendar_id)} and evaluation = {_quoted(evaluation)} "
        f"and date_on between date '{first}' and date '{last}'"
    ).fetchall()
    if not dates:
        raise CalendarTooShort(
            f"Calendar {calendar_id!r} holds no date from {first} to {last}. Trying again does not "
            "help; ask for a time within, or build a longer calendar."
        )
    days = [row[0] for row in dates]
    # In any zone, an interval of a local date lies within a day of it.
    since, until = min(days) - _DAY, max(days) + 2 * _DAY
    intervals = cursor.execute(
        "select starts_at, ends_at from marts.calendar_interval "
        f"where calendar_id = {_quoted(calendar_id)} and zone = {_quoted(zone)} "
        f"and evaluation = {_quoted(evaluation)} "
        f"and ends_at > timestamp '{since}' and starts_at < timestamp '{until}' order by starts_at"
    ).fetchall()
    calendar = interval_calendar(
        calendar_id,
        zone_of(zone),
        ((starts.replace(tzinfo=UTC), ends.replace(tzinfo=UTC)) for starts, ends in intervals),
        [
            CalendarDay(on, works, (), _kind(holiday, makeup), name or "", provisional)
            for on, works, holiday, makeup, name, provisional, _ in dates
        ],
    )
    return calendar, {row[0]: row[6] for row in dates}


def published_zone(
    cursor: duckdb.DuckDBPyConnection, calendar_id: str, source_zone: str
) -> str | None:
    """The zone in which a calendar counts for a source: its own if it has one, else the source's.

    None where the snapshot does not hold the calendar in it.
    """
    declared = cursor.execute(
        f"select zone from marts.dim_calendar where calendar_id = {_quoted(calendar_id)}"
    ).fetchone()
    if declared is None:
        return None
    zone = declared[0] or source_zone
    found = cursor.execute(
        "select 1 from marts.calendar_interval "
        f"where calendar_id = {_quoted(calendar_id)} and zone = {_quoted(zone)} limit 1"
    ).fetchone()
    return zone if found else None


def _kind(is_holiday: bool, is_makeup: bool) -> DayKind:
    if is_holiday:
        return "holiday"
    return "makeup" if is_makeup else "week"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
