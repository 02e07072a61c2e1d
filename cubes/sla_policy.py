"""Policies of time limits: which row a case meets first, and which rows are never reached (D.6).

A policy is one version of one row. Of those in force for a clock the first counts, by ordinal and
then id, whose every condition the case meets; an empty condition is met by all. The same order and
the same conditions as in int_sla__policy_match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cubes.rule_table import RuleRow, announced_at
from cubes.working_time import DayEnds, DayLimit, Target

ALWAYS = datetime(1900, 1, 1, tzinfo=UTC)
"""From when on a policy without a beginning is valid."""
ROUND_THE_CLOCK = "always"
"""The calendar in which calendar seconds are counted."""
CONDITIONS = (
    "cycle",
    "source",
    "kind",
    "category_path",
    "priority",
    "complexity",
    "org_unit_id",
    "channel",
    "reporter_type",
)
"""The columns of a policy that say which cases it is for."""
LISTS = ("source", "kind", "priority", "complexity", "channel", "reporter_type")
"""The conditions that name several values, separated by ';'."""


@dataclass(frozen=True)
class CaseAttributes:
    """What a policy asks of a case; None is not known and meets no condition.

    `org_units` are the unit that the case belongs to and all units above it. `is_again` says that
    the case was reopened.
    """

    source: str
    kind: str | None = None
    category_path: str | None = None
    priority: str | None = None
    complexity: str | None = None
    org_units: frozenset[str] = frozenset()
    channel: str | None = None
    reporter_type: str | None = None
    is_again: bool = False


@dataclass(frozen=True)
class SlaPolicy:
    """One version of a policy, in force from `valid_from` (inclusive) to `valid_to` (exclusive).

    Both are aware; `target` counts seconds or days by its `unit`, None is measured only.
    """

    policy_id: str
    clock: str
    version: int = 1
    ordinal: int = 9000
    name: str = ""
    name_en: str = ""
    valid_from: datetime = ALWAYS
    valid_to: datetime | None = None
    cycle: str | None = None
    source: str | None = None
    kind: str | None = None
    category_path: str | None = None
    priority: str | None = None
    complexity: str | None = None
    org_unit_id: str | None = None
    channel: str | None = None
    reporter_type: str | None = None
    calendar_id: str | None = None
    target: int | None = None
    unit: str | None = None
    rolls: bool = False
    ends: str = "midnight"
    target_kind: str = "each"
    pause_statuses: str | None = None
    is_active: bool = True

    @property
    def place(self) -> tuple[int, str]:
        """Where the policy stands among those of its clock."""
        return self.ordinal, self.policy_id

    @property
    def conditions(self) -> Mapping[str, str]:
        """What the policy asks of a case; empty for one that every case meets."""
        return {name: value for name in CONDITIONS if (value := getattr(self, name)) is not None}

    @property
    def limit(self) -> Target | None:
        """The target as the arithmetic of working time takes it; None is measured only."""
        if self.target is None:
            return None
        ends: DayEnds = "business" if self.ends == "business" else "midnight"
        if self.unit == "working_days":
            return DayLimit(self.target, "working_days", ends=ends)
        if self.unit == "calendar_days":
            return DayLimit(self.target, "calendar_days", self.rolls, ends)
        return timedelta(seconds=self.target)

    def calendar_of(self, source_calendar: str) -> str:
        """The calendar in which the clock is counted, for a source with a calendar of its own."""
        if self.unit == "calendar_seconds":
            return ROUND_THE_CLOCK
        return self.calendar_id or source_calendar

    def is_in_force(self, at: datetime) -> bool:
        """Whether a clock that starts at an instant (aware) is under this version."""
        return (
            self.is_active
            and self.valid_from <= at
            and (self.valid_to is None or at < self.valid_to)
        )

    def is_met_by(self, case: CaseAttributes) -> bool:
        """Whether a case meets every condition."""
        cycle = "again" if case.is_again else "first"
        return (
            (self.cycle is None or self.cycle == cycle)
            and all(
                (asked := getattr(self, name)) is None or names(asked, getattr(case, name))
                for name in LISTS
            )
            and (
                self.category_path is None or is_path_within(case.category_path, self.category_path)
            )
            and (self.org_unit_id is None or self.org_unit_id in case.org_units)
        )

    def covers(self, other: SlaPolicy, above: Callable[[str], frozenset[str]]) -> bool:
        """Whether every case that meets the other's conditions meets these too.

        `above` gives a unit and all units above it.
        """
        if self.cycle is not None and self.cycle != other.cycle:
            return False
        for name in LISTS:
            asked, given = getattr(self, name), getattr(other, name)
            if asked is not None and (given is None or not parts(given) <= parts(asked)):
                return False
        if self.category_path is not None and not is_path_within(
            other.category_path, self.category_path
        ):
            return False
        return self.org_unit_id is None or (
            other.org_unit_id is not None and self.org_unit_id in above(other.org_unit_id)
        )


PUBLISHED_COLUMNS = tuple(one.name for one in fields(SlaPolicy))
"""The columns of marts.dim_sla_policy that make a policy."""


def published_policy(values: Sequence[Any]) -> SlaPolicy:
    """The policy of a row of marts.dim_sla_policy, its values in the order of the columns above."""
    row = dict(zip(PUBLISHED_COLUMNS, values, strict=True))
    for name in ("valid_from", "valid_to"):
        row[name] = row[name] and row[name].replace(tzinfo=UTC)
    return SlaPolicy(**row)


def first_match(
    policies: Iterable[SlaPolicy], clock: str, case: CaseAttributes, at: datetime
) -> SlaPolicy | None:
    """The policy of a clock that starts at an instant (aware); None if the case meets none."""
    met = [
        policy
        for policy in policies
        if policy.clock == clock and policy.is_in_force(at) and policy.is_met_by(case)
    ]
    return min(met, key=lambda policy: policy.place, default=None)


def ruled_policies(rows: Iterable[RuleRow], zone: ZoneInfo) -> list[tuple[SlaPolicy, RuleRow]]:
    """The policies of well-formed rows of the rule table with the row that says each.

    Rows are in the order in which they were written: of a version that stands twice the last row
    counts. A version is valid until the next one, by valid_from and number, of the same policy.
    """
    said: dict[tuple[str, int], RuleRow] = {}
    for row in rows:
        key = row.values["policy_id"], int(row.values["version"])
        said.pop(key, None)
        said[key] = row
    begun = sorted(
        (policy_id, _valid_from(row, zone), version) for (policy_id, version), row in said.items()
    )
    found = []
    for (policy_id, since, version), following in zip(begun, [*begun[1:], None], strict=True):
        until = following[1] if following and following[0] == policy_id else None
        row = said[policy_id, version]
        found.append((_ruled(row, policy_id, version, since, until), row))
    return found


def unrated_priority(rows: Iterable[RuleRow], at: datetime, zone: ZoneInfo) -> str | None:
    """The priority at an instant (aware) of a case that tells neither urgency nor importance nor
    complexity; None where the matrix in force has no rule for it."""
    begun: dict[datetime, list[tuple[int, int, str]]] = {}
    for place, row in enumerate(rows):
        values = row.values
        rules = begun.setdefault(_valid_from(row, zone), [])
        if not (values["urgency"] or values["importance"] or values["complexity"]):
            rules.append((int(values["ordinal"]), -place, values["priority"]))
    since = max((one for one in begun if one <= at), default=None)
    return None if since is None else min(begun[since], default=(0, 0, None))[2]


def names(list_of: str, value: str | None) -> bool:
    """Whether a list such as 'a;b' names a value, as the macro list_names tells it."""
    return value is not None and f";{value};" in f";{list_of};"


def parts(list_of: str) -> frozenset[str]:
    """The values that a list such as 'a;b' names."""
    return frozenset(list_of.split(";"))


def is_path_within(path: str | None, above: str) -> bool:
    """Whether a path such as 'A/B/C' lies at or below another one such as 'A/B'."""
    return path is not None and f"{path}/".startswith(f"{above}/")


def _valid_from(row: RuleRow, zone: ZoneInfo) -> datetime:
    local = announced_at(row.values["valid_from"])
    return ALWAYS if local is None else local.replace(tzinfo=zone).astimezone(UTC)


def _ruled(
    row: RuleRow, policy_id: str, version: int, since: datetime, until: datetime | None
) -> SlaPolicy:
    values = row.values
    return SlaPolicy(
        policy_id=policy_id,
        clock=values["clock"],
        version=version,
        ordinal=int(values["ordinal"]),
        name=values["name"],
        name_en=values["name_en"],
        valid_from=since,
        valid_to=until,
        **{name: values[name] or None for name in CONDITIONS},
        calendar_id=values["calendar_id"] or None,
        target=round(float(values["target"])) if values["target"] else None,
        unit=values["unit"] or None,
        rolls=values["rolls"] == "true",
        ends=values["ends"] or "midnight",
        target_kind=values["target_kind"] or "each",
        pause_statuses=values["pause_statuses"] or None,
        is_active=values["is_active"] != "false",
    )
