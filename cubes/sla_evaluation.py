"""Due times of cases given as JSON: what `huiyin sla eval` reads and answers.

    {"calendars": {NAME: see calendar_form},
     "cases": [{"id": "V1", "calendar": NAME, "start": "2026-02-13T17:00",
                "target": "8h" | "90m" | "30s" | seconds
                          | {"working_days": 10, "ends": "midnight" | "business"}
                          | {"calendar_days": 15, "roll": true, "ends": ...},
                "end": "2026-02-16T09:00",
                "pauses": [[from, to], [from, null, state]],
                "changes": [{"at": instant, "target": ...}]}]}

Only id, calendar and start are required. An instant without an offset is local to the calendar's
zone. The answer has one object a case, in order:

- `due`: null without a target, and where an open pause begins before the target is reached; then
  `remaining_seconds` (of a limit of days `remaining_days`) and `due_if_resumed` stand beside it,
  which takes the pause to end at the case's end, or as it begins where there is none.
- `due_on`, of a limit of days only: its last day, at the end of which it is due.
- `elapsed_seconds`: counted seconds from start to end; null without an end.
- `met`: whether the end is not after the due time; null without a target or an end.
- `explain`: the rows {"from", "to", "seconds", "reason"} to the end; without one to the due time or
  into the open pause (`to` is null); empty where there is neither.
- `breached_on_change`, with `changes` only: see `apply_changes`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from cubes.calendar_form import calendar_from_form
from cubes.declaration import suggest
from cubes.errors import DeclarationError, WorkingTimeError
from cubes.json_document import FormFaults, kind_of
from cubes.local_clock import MICROSECONDS, read_instant
from cubes.working_calendar import FURTHEST_YEARS, WorkingCalendar
from cubes.working_time import (
    MOST_DAYS,
    DayLimit,
    DayUnit,
    Due,
    Pause,
    Target,
    due,
    due_if_resumed,
    elapsed,
)
from cubes.working_time_explanation import ExplanationRow, explain, seconds_of

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_UNITS = {"h": 3600, "m": 60, "s": 1}
_MOST_SECONDS = FURTHEST_YEARS * 366 * 86_400
_ANY_ZONE = ZoneInfo("UTC")
_CASE_KEYS = ("id", "calendar", "start", "target", "end", "pauses", "changes")


@dataclass(frozen=True)
class TargetChange:
    """From `at` on the clock has another target (D.6)."""

    at: datetime
    target: Target


@dataclass(frozen=True)
class SlaCase:
    """One case whose due time is asked for."""

    id: str | int
    calendar: WorkingCalendar
    start: datetime
    target: Target | None = None
    end: datetime | None = None
    pauses: tuple[Pause, ...] = ()
    changes: tuple[TargetChange, ...] | None = None


@dataclass(frozen=True)
class SlaAnswer:
    """What came of one case; `breached_on_change` is None where nothing changed."""

    due: Due | None
    due_if_resumed: datetime | None
    elapsed: timedelta | None
    met: bool | None
    rows: tuple[ExplanationRow, ...]
    breached_on_change: bool | None = None


def evaluate_document(document: Any, *, file: str = "-") -> list[dict[str, Any]]:
    """The answers to a JSON document, as JSON values.

    Raises DeclarationError with every fault at once, each with the path to it; one is a target
    that the calendar never reaches.
    """
    faults = FormFaults(file)
    content = faults.mapping(
        document, "the document", required=("calendars", "cases"), known=("calendars", "cases")
    )
    names = faults.mapping(content.get("calendars", {}), "calendars")
    calendars = {
        name: calendar_from_form(name, form, path=f"calendars.{name}", faults=faults)
        for name, form in names.items()
    }
    cases = [
        (f"cases[{index}]", _case(form, f"cases[{index}]", calendars, faults))
        for index, form in enumerate(faults.sequence(content.get("cases", []), "cases"))
    ]
    _refuse_twins([case for _, case in cases if case is not None], faults)
    answers = []
    for path, case in cases:
        if case is None:
            continue
        try:
            answers.append(_as_json(case, evaluate(case)))
        except WorkingTimeError as error:
            faults.add(path, str(error))
    if faults.found:
        raise DeclarationError("SLA", faults.found)
    return answers


def evaluate(case: SlaCase) -> SlaAnswer:
    """Due and elapsed time of one case (D.4 to D.6) with its explanation (D.11).

    Raises WorkingTimeError where the calendar never reaches the target.
    """
    calendar, pauses = case.calendar, case.pauses
    target, standing, on_change = apply_changes(case)
    found = None if target is None else due(calendar, case.start, target, pauses)
    resumed: datetime | None = None
    if target is not None and found is not None and found.paused_at is not None:
        at = found.paused_at if case.end is None else case.end
        resumed = due_if_resumed(calendar, case.start, target, pauses, at)
    met: bool | None = None
    if standing:
        met = False
    elif found is not None and case.end is not None:
        limit = resumed if found.due_at is None else found.due_at
        assert limit is not None
        met = case.end <= limit
    return SlaAnswer(
        due=found,
        due_if_resumed=resumed,
        elapsed=None if case.end is None else elapsed(calendar, case.start, case.end, pauses),
        met=met,
        rows=_rows(case, found),
        breached_on_change=None if case.changes is None else on_change,
    )


def apply_changes(case: SlaCase) -> tuple[Target | None, bool, bool]:
    """The target that counts, whether a breach of it stands, and `breached_on_change` (D.6).

    A new target keeps the start, the elapsed time and the pauses. Where the clock was overdue when
    the target changed, the breach stands with its due time, whatever comes later. Where the new
    target was over before anyone knew of it, the clock is breached on change. A change after the
    stop changes nothing.
    """
    target, on_change = case.target, False
    for change in sorted(case.changes or (), key=lambda change: change.at):
        if case.end is not None and case.end <= change.at:
            break
        if target is not None:
            due_at = due(case.calendar, case.start, target, case.pauses).due_at
            if due_at is not None and due_at < change.at:
                return target, True, on_change
        target = change.target
        due_at = due(case.calendar, case.start, target, case.pauses).due_at
        on_change = on_change or (due_at is not None and due_at < change.at)
    return target, False, on_change


def read_target(value: Any, path: str, faults: FormFaults) -> Target | None:
    """A target from its JSON form; appends a fault and returns None if it is none."""
    if isinstance(value, Mapping):
        return _day_limit(value, path, faults)
    try:
        return read_duration(value)
    except ValueError as error:
        faults.add(path, str(error))
        return None


def read_duration(value: Any) -> timedelta:
    """A duration from "8h", "7.5h", "90m", "30s" or a number of seconds; ValueError otherwise."""
    seconds: Decimal | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        # What is no number, such as an overflow, is refused below.
        seconds = Decimal(str(value))
    elif isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is not None and match[2] in _UNITS:
            seconds = Decimal(match[1]) * _UNITS[match[2]]
        elif match is not None and match[2] in {"d", "day", "days", "w", "wd", "cd"}:
            raise ValueError(
                f"{value!r} does not say which days: write {{'working_days': n}} or "
                "{'calendar_days': n}, or hours"
            )
    if seconds is None:
        raise ValueError(
            f"must be a duration such as '8h', '90m', '30s', a number of seconds, or an object of "
            f"days, not {kind_of(value)}"
        )
    if not seconds.is_finite() or not 0 <= seconds <= _MOST_SECONDS:
        raise ValueError(f"{kind_of(value)} is not from 0 to {FURTHEST_YEARS} years")
    return timedelta(microseconds=int((seconds * MICROSECONDS).to_integral_value()))


def _day_limit(value: Mapping[str, Any], path: str, faults: FormFaults) -> DayLimit | None:
    before = len(faults.found)
    content = faults.mapping(value, path, known=("working_days", "calendar_days", "roll", "ends"))
    units = [unit for unit in ("working_days", "calendar_days") if unit in content]
    if len(units) != 1:
        faults.add(path, "states either 'working_days' or 'calendar_days'")
    roll, ends = content.get("roll", True), content.get("ends", "midnight")
    if not isinstance(roll, bool):
        faults.add(f"{path}.roll", f"must be true or false, not {kind_of(roll)}")
    if ends not in ("midnight", "business"):
        faults.add(f"{path}.ends", f"must be 'midnight' or 'business', not {kind_of(ends)}")
    for unit in units:
        count = content[unit]
        if not isinstance(count, int) or isinstance(count, bool):
            faults.add(f"{path}.{unit}", f"must be a whole number, not {kind_of(count)}")
        elif not 0 <= count <= MOST_DAYS:
            faults.add(f"{path}.{unit}", f"must be 0 to {MOST_DAYS:,} days, not {count}")
    if len(faults.found) > before:
        return None
    which: DayUnit = "working_days" if units == ["working_days"] else "calendar_days"
    return DayLimit(content[which], which, roll, "business" if ends == "business" else "midnight")


def _case(
    form: Any, path: str, calendars: Mapping[str, WorkingCalendar | None], faults: FormFaults
) -> SlaCase | None:
    before = len(faults.found)
    content = faults.mapping(form, path, required=_CASE_KEYS[:3], known=_CASE_KEYS)
    if not content:
        return None
    identity, name = content.get("id"), content.get("calendar")
    if "id" in content and (not isinstance(identity, str | int) or isinstance(identity, bool)):
        faults.add(f"{path}.id", f"must be a text or a number, not {kind_of(identity)}")
    target = content.get("target")
    limit = None if target is None else read_target(target, f"{path}.target", faults)
    changes = _changes_targets(content.get("changes"), f"{path}.changes", faults)
    if "calendar" in content and (not isinstance(name, str) or name not in calendars):
        faults.add(f"{path}.calendar", f"no calendar {name!r}{suggest(str(name), calendars)}")
    calendar = calendars.get(name) if isinstance(name, str) else None
    # Instants of a calendar that cannot be read are looked at as well as they can be.
    reader = _InstantReader(_ANY_ZONE if calendar is None else calendar.zone, faults)
    start = reader.read(content["start"], f"{path}.start") if "start" in content else None
    end = content.get("end")
    stopped = None if end is None else reader.read(end, f"{path}.end")
    pauses = reader.pauses(content.get("pauses"), f"{path}.pauses")
    changed = reader.changes(changes, f"{path}.changes")
    if calendar is None or start is None or len(faults.found) > before:
        return None
    assert isinstance(identity, str | int)
    return SlaCase(
        identity,
        calendar,
        start,
        limit,
        stopped,
        pauses,
        changed if content.get("changes") is not None else None,
    )


def _changes_targets(value: Any, path: str, faults: FormFaults) -> list[tuple[Any, Target | None]]:
    """The instants of the changes, unread, with their targets."""
    found = []
    for index, form in enumerate([] if value is None else faults.sequence(value, path)):
        place = f"{path}[{index}]"
        keys = ("at", "target")
        content = faults.mapping(form, place, required=keys, known=keys)
        target = (
            read_target(content["target"], f"{place}.target", faults)
            if "target" in content
            else None
        )
        found.append((content.get("at"), target))
    return found


@dataclass(frozen=True)
class _InstantReader:
    """Reads instants in a zone and notes what is wrong with them."""

    zone: ZoneInfo
    faults: FormFaults

    def read(self, value: Any, path: str) -> datetime | None:
        try:
            return read_instant(value, self.zone)
        except ValueError as error:
            self.faults.add(path, str(error))
            return None

    def pauses(self, value: Any, path: str) -> tuple[Pause, ...]:
        found: list[Pause] = []
        for index, form in enumerate([] if value is None else self.faults.sequence(value, path)):
            place = f"{path}[{index}]"
            if not isinstance(form, list | tuple) or not 1 < len(form) < 4:
                self.faults.add(place, f"must be [from, to] or [from, to, state], {_open_hint()}")
                continue
            state = form[2] if len(form) == 3 else ""
            if not isinstance(state, str):
                self.faults.add(f"{place}[2]", f"must be the name of a state, not {kind_of(state)}")
                continue
            begin = self.read(form[0], f"{place}[0]")
            finish = None if form[1] is None else self.read(form[1], f"{place}[1]")
            if begin is None or (finish is None and form[1] is not None):
                continue
            try:
                found.append(Pause(begin, finish, state))
            except ValueError as error:
                self.faults.add(place, str(error))
        return tuple(found)

    def changes(
        self, forms: Sequence[tuple[Any, Target | None]], path: str
    ) -> tuple[TargetChange, ...]:
        found: list[TargetChange] = []
        for index, (value, target) in enumerate(forms):
            if value is None:
                # That it is missing is told already.
                continue
            at = self.read(value, f"{path}[{index}].at")
            if at is not None and target is not None:
                found.append(TargetChange(at, target))
        return tuple(found)


def _open_hint() -> str:
    return "with to = null for a pause that is still open"


def _refuse_twins(cases: Sequence[SlaCase], faults: FormFaults) -> None:
    seen: set[str | int] = set()
    for case in cases:
        if case.id in seen:
            faults.add("cases", f"the id {case.id!r} stands twice")
        seen.add(case.id)


def _rows(case: SlaCase, found: Due | None) -> tuple[ExplanationRow, ...]:
    if case.end is not None:
        return explain(case.calendar, case.start, case.end, case.pauses)
    if found is None:
        return ()
    return explain(case.calendar, case.start, found.due_at, case.pauses)


def _as_json(case: SlaCase, answer: SlaAnswer) -> dict[str, Any]:
    found = answer.due
    due_at = None if found is None else found.due_at
    content: dict[str, Any] = {
        "id": case.id,
        "due": _text(due_at),
        "elapsed_seconds": None if answer.elapsed is None else seconds_of(answer.elapsed),
        "met": answer.met,
    }
    if found is not None and found.due_on is not None:
        content["due_on"] = found.due_on.isoformat()
    if found is not None and found.paused_at is not None:
        if found.remaining is not None:
            content["remaining_seconds"] = seconds_of(found.remaining)
        else:
            content["remaining_days"] = found.remaining_days
        content["due_if_resumed"] = _text(answer.due_if_resumed)
    if answer.breached_on_change is not None:
        content["breached_on_change"] = answer.breached_on_change
    content["explain"] = [row_as_json(row) for row in answer.rows]
    return content


def row_as_json(row: ExplanationRow) -> dict[str, Any]:
    """An explanation row as JSON values; instants have the offset of the calendar's zone."""
    return {
        "from": _text(row.starts_at),
        "to": _text(row.ends_at),
        "seconds": seconds_of(row.counted),
        "reason": row.reason,
    }


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
