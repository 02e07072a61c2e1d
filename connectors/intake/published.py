"""What the intake knows of the published warehouse: units, policy, calendar, and cases on request.

A thread of its own follows the tag, so that no request ever waits for a snapshot to be opened.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol

from connectors.intake.promise import Policy, WorkingDays
from cubes.errors import CubeError

FOLLOW_SECONDS = 1.0
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
class Published:
    """One snapshot with what every submission needs, read once."""

    tag: str
    as_of: datetime
    units: Mapping[str, Unit]
    policy: Policy | None
    calendar: WorkingDays | None
    _snapshot: OpenedSnapshot

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


def read_published(snapshot: OpenedSnapshot, calendar_id: str) -> Published:
    """Read units, the policy of resolution and the working days of a calendar from a snapshot."""
    with snapshot.cursor() as cursor:
        units = [
            Unit(row[0], {"zh": row[1], "en": row[2] or row[1]}, row[3], row[4], bool(row[5]))
            for row in cursor.execute(
                "select org_unit_id, name, name_en, level, parent_id, is_active "
                "from marts.dim_org order by path, org_unit_id"
            ).fetchall()
        ]
        policies = cursor.execute(
            "select policy_id, name, name_en, target from marts.dim_sla_policy "
            "where clock = 'resolution' order by target desc, policy_id"
        ).fetchall()
        of_calendar = (
            f"from marts.calendar_date where calendar_id = {_quoted(calendar_id)} "
            "and evaluation = 'as_is'"
        )
        days = cursor.execute(
            f"select date_on {of_calendar} and is_working order by date_on"
        ).fetchall()
        bounds = cursor.execute(f"select min(date_on), max(date_on) {of_calendar}").fetchone()
        provisional = cursor.execute(
            f"select distinct year(date_on) {of_calendar} and is_provisional"
        ).fetchall()
    return Published(
        tag=snapshot.tag,
        as_of=datetime.fromisoformat(str(snapshot.info["as_of"])),
        units={unit.unit_id: unit for unit in units},
        policy=_policy(policies),
        calendar=_calendar(days, bounds, provisional),
        _snapshot=snapshot,
    )


def _quoted(value: str) -> str:
    """Quote a text for SQL.

    Binding a value makes the engine load pandas, NumPy and PyArrow, which doubles the memory of
    this process.
    """
    return "'" + value.replace("'", "''") + "'"


def _calendar(
    days: Sequence[tuple[date]],
    bounds: tuple[date | None, date | None] | None,
    provisional: Sequence[tuple[int]],
) -> WorkingDays | None:
    if bounds is None or bounds[0] is None or bounds[1] is None:
        return None
    years = frozenset(int(row[0]) for row in provisional)
    return WorkingDays([row[0] for row in days], bounds[0], bounds[1], years)


def _policy(rows: Sequence[tuple[str, str, str, int]]) -> Policy | None:
    if not rows:
        return None
    policy_id, name, name_en, target = rows[0]
    return Policy(policy_id, {"zh": name, "en": name_en}, int(target))


class PublishedFollower:
    """Keeps the published snapshot of now at hand; `current` is None before the first publish.

    `tag_of` gives the tag that serves, or None, without opening anything; `open_snapshot` opens it.
    """

    def __init__(
        self,
        tag_of: Callable[[], str | None],
        open_snapshot: Callable[[], OpenedSnapshot],
        calendar_id: str,
        *,
        every_seconds: float = FOLLOW_SECONDS,
    ) -> None:
        self._tag_of = tag_of
        self._open = open_snapshot
        self._calendar_id = calendar_id
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
                published = read_published(snapshot, self._calendar_id)
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
