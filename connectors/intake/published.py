"""What the intake knows of the published warehouse: units, policies, calendars, cases on request.

A thread of its own follows the tag, so that no request ever waits for a snapshot to be opened.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from connectors.intake.promise import CLOCK
from cubes.errors import CalendarTooShort, CubeError
from cubes.published_calendar import published_timeline, published_zone
from cubes.sla_policy import PUBLISHED_COLUMNS, CaseAttributes, SlaPolicy, published_policy
from cubes.working_calendar import WorkingCalendar

FOLLOW_SECONDS = 1.0
UNRECOGNISED = "unrecognised"
# Calendars are kept for what is raised now; for an old letter they are read once more.
_KEPT_BEFORE, _KEPT_AFTER = timedelta(days=31), timedelta(days=731)
# What has passed counts as it was known then, as in the due time of a case.
_EVALUATION = "as_was"
_log = logging.getLogger("huiyin.intake")


class OpenedSnapshot(Protocol):
    """What is needed of an opened snapshot."""

    @property
    def tag(self) -> str:
        """Its tag."""

    @property
    def info(self) -> Mapping[str, Any]:
        """The mapping of published.json."""

    def cursor(self) -> Any:
        """A connection of its own for one thread."""

    def close(self) -> None:
        """Close the file."""


@dataclass(frozen=True)
class Unit:
    """One unit of the organisation."""

    unit_id: str
    name: Mapping[str, str]
    level: int
    parent_id: str | None
    is_active: bool


@dataclass(frozen=True)
class PublishedCase:
    """One case as the snapshot tells it; `event_ids` are the events that it knows."""

    status: str
    due_at: datetime | None
    event_ids: frozenset[str]


@dataclass(frozen=True)
class IntakeSource:
    """What the intake is as a source of the warehouse: its name, calendar and zone."""

    name: str
    calendar_id: str
    zone: str


@dataclass(frozen=True)
class Published:
    """One snapshot with what every submission needs, read once.

    `policies` are those of resolution that are active; `calendars` those they count in, by id, each
    from last month to two years ahead.
    """

    tag: str
    as_of: datetime
    units: Mapping[str, Unit]
    policies: tuple[SlaPolicy, ...]
    kinds: frozenset[str]
    channels: frozenset[str]
    source: IntakeSource
    calendars: Mapping[str, WorkingCalendar]
    _snapshot: OpenedSnapshot

    def attributes(
        self,
        *,
        kind: str,
        category_path: str | None,
        channel: str,
        unit_id: str | None,
        priority: str | None,
    ) -> CaseAttributes:
        """What policies ask of a matter, as the warehouse will know it.

        A matter without a unit belongs to the top; with several tops nobody knows to which.
        """
        if unit_id is None:
            tops = [unit.unit_id for unit in self.units.values() if unit.parent_id is None]
            unit_id = tops[0] if len(tops) == 1 else None
        return CaseAttributes(
            source=self.source.name,
            kind=kind if kind in self.kinds else UNRECOGNISED,
            category_path=category_path,
            priority=priority,
            org_units=self.units_above(unit_id),
            channel=channel if channel in self.channels else UNRECOGNISED,
        )

    def units_above(self, unit_id: str | None) -> frozenset[str]:
        """A unit and all units above it."""
        found: set[str] = set()
        while unit_id is not None and unit_id in self.units and unit_id not in found:
            found.add(unit_id)
            unit_id = self.units[unit_id].parent_id
        return frozenset(found)

    def calendar_of(self, policy: SlaPolicy, since: datetime) -> WorkingCalendar | None:
        """The calendar of a policy that holds an instant and what follows; None if there is none.

        For an instant before last month it is read from the snapshot.
        """
        calendar_id = policy.calendar_of(self.source.calendar_id)
        kept = self.calendars.get(calendar_id)
        if kept is None or kept.first < since.date():
            return kept
        with self._snapshot.cursor() as cursor:
            return _calendar(cursor, calendar_id, self.source, since.date() - _KEPT_BEFORE)

    def is_within(self, unit_id: str | None, above: str) -> bool:
        """Whether a unit is `above` itself or below it; a case without a unit is at the top."""
        if unit_id is None:
            unit = self.units.get(above)
            return unit is not None and unit.parent_id is None
        for _ in range(len(self.units)):
            if unit_id == above:
                return True
            unit = self.units.get(unit_id)
            if unit is None or unit.parent_id is None:
                return False
            unit_id = unit.parent_id
        return False

    def case(self, source: str, case_no: str) -> PublishedCase | None:
        """What the snapshot says of one case; None if it does not know it."""
        one = f"source = {_quoted(source)} and case_no = {_quoted(case_no)}"
        with self._snapshot.cursor() as cursor:
            row = cursor.execute(
                f"select status, resolution_due_at from marts.fct_case where {one}"
            ).fetchone()
            if row is None:
                return None
            events = cursor.execute(
                f"select event_id from marts.fct_feedback_event where {one}"
            ).fetchall()
        due_at = row[1].replace(tzinfo=UTC) if row[1] is not None else None
        return PublishedCase(row[0], due_at, frozenset(event[0] for event in events))

    def close(self) -> None:
        """Close the snapshot."""
        self._snapshot.close()


def read_published(snapshot: OpenedSnapshot, source: IntakeSource) -> Published:
    """Read units, the policies of resolution and their calendars from a snapshot."""
    as_of = datetime.fromisoformat(str(snapshot.info["as_of"]))
    with snapshot.cursor() as cursor:
        units = [
            Unit(row[0], {"zh": row[1], "en": row[2] or row[1]}, row[3], row[4], bool(row[5]))
            for row in cursor.execute(
                "select org_unit_id, name, name_en, level, parent_id, is_active "
                "from marts.dim_org order by path, org_unit_id"
            ).fetchall()
        ]
        policies = tuple(
            published_policy(row)
            for row in cursor.execute(
                f"select {', '.join(PUBLISHED_COLUMNS)} from marts.dim_sla_policy "
                f"where clock = {_quoted(CLOCK)} and is_active order by ordinal, policy_id, version"
            ).fetchall()
        )
        kinds, channels = (
            frozenset(row[0] for row in cursor.execute(f"select {key} from {table}").fetchall())
            for key, table in (("kind", "marts.dim_kind"), ("channel_id", "marts.dim_channel"))
        )
        calendars = {}
        for calendar_id in sorted({one.calendar_of(source.calendar_id) for one in policies}):
            first, last = as_of.date() - _KEPT_BEFORE, as_of.date() + _KEPT_AFTER
            calendar = _calendar(cursor, calendar_id, source, first, last)
            if calendar is not None:
                calendars[calendar_id] = calendar
    return Published(
        tag=snapshot.tag,
        as_of=as_of,
        units={unit.unit_id: unit for unit in units},
        policies=policies,
        kinds=kinds,
        channels=channels,
        source=source,
        calendars=calendars,
        _snapshot=snapshot,
    )


def _calendar(
    cursor: Any, calendar_id: str, source: IntakeSource, first: date, last: date = date.max
) -> WorkingCalendar | None:
    zone = published_zone(cursor, calendar_id, source.zone)
    if zone is None:
        return None
    try:
        return published_timeline(cursor, calendar_id, zone, _EVALUATION, first, last)[0]
    except CalendarTooShort:
        return None


def _quoted(value: str) -> str:
    """Quote a text for SQL.

    Binding a value makes the engine load pandas, NumPy and PyArrow, which doubles the memory of
    this process.
    """
    return "'" + value.replace("'", "''") + "'"


class PublishedFollower:
    """Keeps the published snapshot of now at hand; `current` is None before the first publish.

    `tag_of` gives the tag that serves, or None, without opening anything; `open_snapshot` opens it.
    """

    def __init__(
        self,
        tag_of: Callable[[], str | None],
        open_snapshot: Callable[[], OpenedSnapshot],
        source: IntakeSource,
        *,
        every_seconds: float = FOLLOW_SECONDS,
    ) -> None:
        self._tag_of = tag_of
        self._open = open_snapshot
        self._source = source
        self._every = every_seconds
        self._ended = threading.Event()
        self._opened: list[Published] = []
        self._unusable: str | None = None
        self.current: Published | None = None
        self.follow()
        self._thread = threading.Thread(target=self._run, name="published-follower", daemon=True)
        self._thread.start()

    def follow(self) -> None:
        """Open the snapshot that serves now if it is another one; a failure keeps the last."""
        # Requests that took the one before had since the last look to end with it.
        while len(self._opened) > 1:
            self._opened.pop(0).close()
        tag = None
        try:
            tag = self._tag_of()
            if tag is None or (self.current is not None and tag == self.current.tag):
                return
            snapshot = self._open()
            try:
                published = read_published(snapshot, self._source)
            except Exception:
                snapshot.close()
                raise
        except Exception as error:
            # Told once for each snapshot, and tried again all the same.
            if tag is None or tag != self._unusable:
                told = error if isinstance(error, CubeError) else type(error).__name__
                _log.warning("the published snapshot cannot be used: %s", told)
            self._unusable = tag
            return
        self.current = published
        self._opened.append(published)

    def close(self) -> None:
        """Stop following and close what is open."""
        self._ended.set()
        self._thread.join()
        self.current = None
        for published in self._opened:
            published.close()

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            self.follow()
