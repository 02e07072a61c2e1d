"""Working days of the calendars: from the published snapshot, else from the rule rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from connectors.contract import Contract
from connectors.delivery_calendar import WorkingDay
from pipelines.installation import Installation

if TYPE_CHECKING:
    from cubes.working_calendar import WorkingCalendar

_SATURDAY = 5


def working_days_of(installation: Installation, calendar: str) -> WorkingDay:
    """Whether a day is a working day of a calendar, by all that is known of it.

    Days outside of the published calendar follow the rule rows; an unknown calendar is worked from
    Monday to Friday.
    """
    known = _published(installation, calendar)

    @cache
    def ruled() -> WorkingCalendar | None:
        return _ruled(installation, calendar)

    def is_working(day: date) -> bool:
        if day in known:
            return known[day]
        rules = ruled()
        return _weekdays(day) if rules is None else rules.day(day).is_working

    return is_working


def working_days(installation: Installation) -> Callable[[Contract], WorkingDay]:
    """A function that gives the working days of a contract's calendar; each is read once."""
    read: dict[str, WorkingDay] = {}

    def of_contract(contract: Contract) -> WorkingDay:
        if not any(
            s.delivery and s.delivery.calendar == "working" for s in contract.streams.values()
        ):
            return _weekdays
        calendar = contract.calendar or installation.settings.calendar
        if calendar not in read:
            read[calendar] = working_days_of(installation, calendar)
        return read[calendar]

    return of_contract


def _weekdays(day: date) -> bool:
    return day.weekday() < _SATURDAY


def _published(installation: Installation, calendar: str) -> dict[date, bool]:
    """The days of a calendar in the snapshot that serves; empty before the first one, and in one
    that an earlier version made."""
    import duckdb

    from cubes.errors import SnapshotError

    try:
        with installation.snapshot() as snapshot, snapshot.cursor() as cursor:
            return dict(
                cursor.execute(
                    "select date_on, is_working from marts.calendar_date "
                    "where calendar_id = ? and evaluation = 'as_is'",
                    [calendar],
                ).fetchall()
            )
    except (SnapshotError, duckdb.BinderException, duckdb.CatalogException):
        return {}


def _ruled(installation: Installation, calendar: str) -> WorkingCalendar | None:
    """The calendar of the rule rows. Faulty rows of the operator, which every build tells of, do
    not keep deliveries from being watched: then the shipped ones count."""
    from cubes.errors import DeclarationError, QueryError
    from cubes.rule_calendar import read_seed_calendar
    from cubes.rule_table import read_rule_tables
    from pipelines.operator_rows import SHIPPED, read_rules

    try:
        tables = read_rules(installation.home, installation.now()).tables
    except DeclarationError:
        tables = read_rule_tables(SHIPPED, [])
    try:
        return read_seed_calendar(calendar, tables, zone=installation.settings.timezone)
    except QueryError:
        return None
