"""What a clock should say, by literal reading of D.3 to D.7: the models are compared with it.

Nothing here knows of positions, buckets or joins. A clock is judged through a `Way` of counting
working time: that of `cubes.working_time`, that of the day-walk, or any other. Instants are aware,
in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from cubes.calendar_form import calendar_from_form
from cubes.json_document import FormFaults
from cubes.rule_table import RULE_TABLES, announced_at
from cubes.working_time import DayLimit, Target, due, elapsed
from cubes.working_time import Pause as StatusPause
from tests.cubes import day_walk
from tests.cubes.day_walk import Pause

ALWAYS: dict[str, Any] = {
    "zone": "Asia/Shanghai",
    "week": {weekday: [["00:00", "24:00"]] for weekday in day_walk.WEEKDAYS},
}
SETTLED = ("resolved", "closed", "withdrawn")
STATUS_OF_CODE = {
    "SL": "accepted",
    "PD": "in_progress",
    "ZB": "waiting_on_partner",
    "TH": "in_progress",
    "JJ": "resolved",
    "CK": "in_progress",
    "BJ": "closed",
    "CX": "withdrawn",
}
STATUS_OF_STATUS_CODE = {
    "XJ": "new",
    "SL": "accepted",
    "CL": "in_progress",
    "DU": "waiting_on_reporter",
    "DP": "waiting_on_partner",
    "JJ": "resolved",
    "BJ": "closed",
}
KIND_OF_CODE = {"TS": "complaint", "JB": "report", "ZX": "inquiry"}
# The first three rows of the shipped matrix: without a word on priority the urgency decides.
PRIORITY_OF_URGENCY = {"1": "P1", "2": "P2", "3": "P3"}
# The clock of the whole case counts in these statuses only.
COUNTED = {"full_resolution": ("new", "accepted", "in_progress", "waiting_on_partner")}


@dataclass(frozen=True)
class Policy:
    """One version of a policy; an empty condition holds for every case."""

    policy_id: str
    clock: str
    calendar_id: str
    target: int | None
    unit: str
    version: int = 1
    valid_from: str = ""
    ordinal: int = 10
    cycle: str = ""
    category_path: str = ""
    priority: str = ""
    kind: str = ""
    org_unit_id: str = ""
    rolls: bool = False
    ends: str = "midnight"
    pause_statuses: tuple[str, ...] = ()
    grace: int | None = None
    is_active: bool = True

    def row(self) -> dict[str, str]:
        """The row of the rule table."""
        return {column: "" for column in RULE_TABLES["sla_policy"]} | {
            "policy_id": self.policy_id,
            "version": str(self.version),
            "valid_from": self.valid_from,
            "ordinal": str(self.ordinal),
            "clock": self.clock,
            "name": self.policy_id,
            "name_en": self.policy_id,
            "cycle": self.cycle,
            "category_path": self.category_path,
            "priority": self.priority,
            "kind": self.kind,
            "org_unit_id": self.org_unit_id,
            "calendar_id": self.calendar_id,
            "target": "" if self.target is None else str(self.target),
            "unit": self.unit,
            "rolls": str(self.rolls).lower(),
            "ends": self.ends,
            "pause_statuses": ";".join(self.pause_statuses),
            "grace": "" if self.grace is None else str(self.grace),
            "is_active": str(self.is_active).lower(),
        }

    @property
    def is_in_days(self) -> bool:
        return self.unit in ("working_days", "calendar_days")

    def starts_at(self, zone: str) -> datetime:
        """From when on the version is in force."""
        local = announced_at(self.valid_from)
        if local is None:
            return datetime(1900, 1, 1, tzinfo=UTC)
        return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)

    def fits(self, category: str, priority: str | None, kind: str, cycle: int) -> bool:
        """Whether the conditions hold."""
        return (
            (not self.cycle or self.cycle == ("again" if cycle > 1 else "first"))
            and f"{category}/".startswith(f"{self.category_path}/" if self.category_path else "")
            and (not self.priority or priority in self.priority.split(";"))
            and (not self.kind or kind in self.kind.split(";"))
        )


@dataclass(frozen=True)
class Step:
    """One event of a case: its code and what else its row says."""

    at: datetime
    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str | None:
        """The status it brings the case to, if it brings any."""
        if self.code == "DD":
            return STATUS_OF_STATUS_CODE.get(self.values.get("status_code", ""))
        return STATUS_OF_CODE.get(self.code)


@dataclass(frozen=True)
class Case:
    """A case with its steps in the order in which they count; `judged_by` is for the test."""

    case_no: str
    created_at: datetime
    category: str
    steps: tuple[Step, ...]
    urgency: str | None = None
    kind_code: str = "TS"

    def statuses(self) -> list[tuple[datetime, str]]:
        """The statuses in turn, each with its beginning."""
        found = [(self.created_at, "new")]
        for step in self.steps:
            if step.status is not None and step.status != found[-1][1]:
                found.append((step.at, step.status))
        return found

    def attributes_at(self, moment: datetime) -> tuple[str, str | None, str]:
        """Category, priority and kind as told up to a moment, both of its ends included."""
        category, kind = self.category, KIND_OF_CODE[self.kind_code]
        priority = PRIORITY_OF_URGENCY.get(self.urgency or "")
        for step in self.steps:
            if step.at <= moment:
                category = step.values.get("category_path", category)
                priority = step.values.get("priority_code", priority)
                kind = KIND_OF_CODE.get(step.values.get("kind_code", ""), kind)
        return category, priority, kind

    def changes(self) -> list[datetime]:
        """The moments at which something was told that a policy may ask for."""
        told = {"category_path", "priority_code", "kind_code"}
        return sorted({step.at for step in self.steps if told & set(step.values)})


@dataclass(frozen=True)
class Span:
    """One run of a clock; `ended_at` is the build's instant while it is open."""

    clock: str
    ordinal: int
    cycle: int
    started_at: datetime
    stopped_at: datetime | None
    cancelled_at: datetime | None
    ended_at: datetime

    @property
    def is_open(self) -> bool:
        return self.stopped_at is None and self.cancelled_at is None


def resolution_spans(case: Case, as_of: datetime) -> list[Span]:
    """The resolution clock of every cycle, and the one of the whole case (D.7)."""
    spans: list[Span] = []
    started: datetime | None = case.created_at
    # The end of the last cycle so far, and whether it was a resolution.
    ending: tuple[datetime, bool] | None = None
    cycle = 1
    for step in case.steps:
        if step.code == "CK" and started is None:
            cycle, started, ending = cycle + 1, step.at, None
        elif step.status in SETTLED and started is not None:
            solved = step.code == "JJ"
            spans.append(_span("resolution", cycle, started, (step.at, solved), as_of))
            started, ending = None, (step.at, solved)
    if started is not None:
        spans.append(_span("resolution", cycle, started, None, as_of))
    whole = _span("full_resolution", 1, case.created_at, ending, as_of)
    return [*spans, whole]


def _span(
    clock: str,
    cycle: int,
    started_at: datetime,
    ending: tuple[datetime, bool] | None,
    as_of: datetime,
) -> Span:
    at, solved = ending or (as_of, False)
    return Span(
        clock,
        cycle,
        cycle,
        started_at,
        at if ending and solved else None,
        at if ending and not solved else None,
        at,
    )


def pauses_of(case: Case, span: Span, policy: Policy) -> list[Pause]:
    """The statuses in which the clock stands still; what is going on at the build is open."""
    statuses = case.statuses()
    counted = COUNTED.get(span.clock)
    found: list[Pause] = []
    for number, (begin, status) in enumerate(statuses):
        last = number + 1 == len(statuses)
        finish = None if last else statuses[number + 1][0]
        stands = status in policy.pause_statuses or (counted is not None and status not in counted)
        if not stands or begin >= span.ended_at or (finish or span.ended_at) <= span.started_at:
            continue
        begin = max(begin, span.started_at)
        if finish is None and span.is_open:
            found.append((begin, None))
        elif begin < (ends := min(finish or span.ended_at, span.ended_at)):
            found.append((begin, ends))
    return found


class Way(Protocol):
    """A way to count working time."""

    def elapsed(self, start: datetime, end: datetime, pauses: Sequence[Pause]) -> int:
        """Counted seconds from one instant to another."""

    def due(self, start: datetime, policy: Policy, pauses: Sequence[Pause]) -> datetime | None:
        """When the target of a policy is reached; None where an open pause is before that."""


class FunctionsWay:
    """The pure functions of cubes.working_time over a calendar in the form of `sla eval`."""

    def __init__(self, name: str, form: dict[str, Any]) -> None:
        faults = FormFaults("-")
        calendar = calendar_from_form(name, form, path=name, faults=faults)
        assert calendar is not None, faults.found
        self.calendar = calendar

    def elapsed(self, start: datetime, end: datetime, pauses: Sequence[Pause]) -> int:
        stands = [StatusPause(*pause) for pause in pauses]
        return int(elapsed(self.calendar, start, end, stands).total_seconds())

    def due(self, start: datetime, policy: Policy, pauses: Sequence[Pause]) -> datetime | None:
        assert policy.target is not None
        target: Target = timedelta(seconds=policy.target)
        if policy.is_in_days:
            target = DayLimit(policy.target, policy.unit, policy.rolls, policy.ends)  # type: ignore[arg-type]
        return due(self.calendar, start, target, [StatusPause(*pause) for pause in pauses]).due_at


class WalkWay:
    """The day-walk over the same form."""

    def __init__(self, form: dict[str, Any]) -> None:
        self.form = form

    def elapsed(self, start: datetime, end: datetime, pauses: Sequence[Pause]) -> int:
        return int(day_walk.elapsed(self.form, start, end, pauses).total_seconds())

    def due(self, start: datetime, policy: Policy, pauses: Sequence[Pause]) -> datetime | None:
        assert policy.target is not None
        if not policy.is_in_days:
            return day_walk.due(self.form, start, timedelta(seconds=policy.target), pauses)
        return day_walk.day_limit(
            self.form,
            start,
            policy.target,
            policy.unit,
            rolls=policy.rolls,
            ends=policy.ends,
            pauses=pauses,
        )


@dataclass(frozen=True)
class Segment:
    """A stretch of a clock under one policy version, with when it is due under it."""

    policy: Policy
    from_at: datetime
    to_at: datetime
    target: int | None
    due_at: datetime | None
    pauses: tuple[Pause, ...]


def segments_of(
    case: Case, span: Span, policies: Sequence[Policy], ways: Mapping[str, Way], moment: datetime
) -> list[Segment]:
    """The segments of a clock, by the versions in force at a moment (D.6).

    A new target keeps the start and the pauses; a grace moves its due time to that long after the
    change at least.
    """
    in_force = _versions_at([one for one in policies if one.clock == span.clock], moment)
    starts = [span.started_at]
    starts += [at for at in case.changes() if span.started_at < at < span.ended_at]
    chosen: list[tuple[datetime, Policy]] = []
    for at in starts:
        fitting = [one for one in in_force if one.fits(*case.attributes_at(at), span.cycle)]
        policy = min(fitting, key=lambda one: (one.ordinal, one.policy_id))
        if not chosen or chosen[-1][1] != policy:
            chosen.append((at, policy))
    found: list[Segment] = []
    for number, (at, policy) in enumerate(chosen):
        until = chosen[number + 1][0] if number + 1 < len(chosen) else span.ended_at
        way = ways[policy.calendar_id]
        pauses = pauses_of(case, span, policy)
        due_at, target = None, policy.target
        if target is not None:
            due_at = way.due(span.started_at, policy, pauses)
            if number and policy.grace is not None and not policy.is_in_days:
                graced = way.due(at, replace(policy, target=policy.grace), _after(pauses, at))
                due_at = None if due_at is None or graced is None else max(due_at, graced)
                spent = way.elapsed(span.started_at, at, pauses)
                target = max(target, spent + policy.grace)
        found.append(Segment(policy, at, until, target, due_at, tuple(pauses)))
    return found


def _versions_at(policies: Sequence[Policy], moment: datetime) -> list[Policy]:
    """The versions in force; of a version told twice the last row counts."""
    by_id: dict[str, dict[int, Policy]] = {}
    for policy in policies:
        by_id.setdefault(policy.policy_id, {})[policy.version] = policy
    found = []
    for versions in by_id.values():
        begun = [one for one in versions.values() if one.starts_at("Asia/Shanghai") <= moment]
        if begun:
            last = max(begun, key=lambda one: (one.starts_at("Asia/Shanghai"), one.version))
            found.append(last)
    return [one for one in found if one.is_active]


def _after(pauses: Sequence[Pause], at: datetime) -> list[Pause]:
    return [(max(begin, at), finish) for begin, finish in pauses if finish is None or finish > at]


def judge(
    span: Span, segments: Sequence[Segment], ways: Mapping[str, Way], as_of: datetime
) -> dict[str, Any]:
    """The row of fct_sla_clock: the first segment that was late, else the last one."""
    late = [one for one in segments if _is_late(span, one, one is segments[-1])]
    shown = late[0] if late else segments[-1]
    policy, way, pauses = shown.policy, ways[shown.policy.calendar_id], shown.pauses
    counted = way.elapsed(span.started_at, span.ended_at, pauses)
    whole = way.elapsed(span.started_at, span.ended_at, ())
    stands = any(finish is None for _, finish in pauses)
    on_change = bool(late) and shown is not segments[0] and _before(shown.due_at, shown.from_at)
    if late:
        state = "breached"
    elif span.stopped_at is not None:
        state = "met" if shown.target is not None else "measured"
    elif span.cancelled_at is not None:
        state = "cancelled"
    else:
        state = "paused" if stands else "running"
    resumed = None
    if span.is_open and not late and shown.due_at is None and shown.target is not None:
        closed = [(begin, as_of if finish is None else finish) for begin, finish in pauses]
        aim = replace(policy, target=shown.target)
        resumed = None if policy.is_in_days else way.due(span.started_at, aim, closed)
    left: int | None = None
    if span.is_open and not policy.is_in_days and shown.target is not None:
        left = shown.target - counted
    elif span.is_open and not late and shown.due_at is not None:
        left = way.elapsed(span.ended_at, shown.due_at, ())
    return {
        "policy_id": policy.policy_id,
        "policy_version": policy.version,
        "target": shown.target,
        "due_at": shown.due_at,
        "elapsed_s": counted,
        "paused_s": whole - counted,
        "state": state,
        "due_if_resumed_at": resumed,
        "remaining_s": left,
        "breached_at": (shown.from_at if on_change else shown.due_at) if late else None,
        "is_breached_on_change": on_change,
    }


def _is_late(span: Span, segment: Segment, is_last: bool) -> bool:
    return _before(segment.due_at, span.ended_at if is_last else segment.to_at)


def _before(due_at: datetime | None, moment: datetime) -> bool:
    return due_at is not None and due_at < moment
