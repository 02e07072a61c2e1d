"""Events of a case: what staff and reporters may do, and in which state of the case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.inbox import InboxEvent
from connectors.intake.published import Unit
from connectors.intake.submission import FieldFault, Reading, read_unit
from connectors.scrubbing import scrub

STAFF_EVENTS = {
    "acknowledge": "accepted",
    "assign": "assigned",
    "reply": "public_reply",
    "resolve": "resolved",
}
REPORTER_EVENTS = {"withdraw": "withdrawn", "message": "reporter_message"}
_LONGEST_TEXT = 4000
_ENDS = ("resolved", "withdrawn")
_FIELDS = {
    "acknowledge": {"text"},
    "assign": {"text", "unit"},
    "reply": {"text"},
    "resolve": {"text"},
    "withdraw": {"text"},
    "message": {"text"},
}


@dataclass(frozen=True)
class CheckedEvent:
    """An event that may be stored if the case allows it; `at` is None for now."""

    event_type: str
    text: str | None
    unit_id: str | None
    at: datetime | None
    content: str


def check_event(
    data: Mapping[str, Any],
    *,
    units: Mapping[str, Unit] | None,
    action: str | None = None,
) -> CheckedEvent | list[FieldFault]:
    """Check decoded and cleaned JSON; `action` is given for reporters, staff name it as `type`."""
    reading = Reading(data)
    known = {"text"} if action else {"type", "text", "unit", "at"}
    reading.unknown(data, known)
    if action is None:
        named = data.get("type")
        if named is None:
            reading.fault("type", "required")
        elif not isinstance(named, str) or named not in STAFF_EVENTS:
            reading.fault("type", "choice")
        else:
            action = named
    text = reading.text(data, "text", _LONGEST_TEXT)
    if text is None and action in {"reply", "message"} and "text" not in _faulty(reading):
        reading.fault("text", "required")
    unit_id = None
    if "unit" in data and action is not None and "unit" not in _FIELDS[action]:
        reading.fault("unit", "unknown")
    else:
        unit_id = read_unit(reading, units, required=action == "assign")
    at = _instant(reading, data)
    if reading.faults or action is None:
        return reading.faults
    said = {"action": action, "text": text, "unit": unit_id, "at": at and at.isoformat()}
    return CheckedEvent(
        event_type=(STAFF_EVENTS | REPORTER_EVENTS)[action],
        text=scrub(text) if text else None,
        unit_id=unit_id,
        at=at,
        content=json.dumps(said, ensure_ascii=False, sort_keys=True),
    )


def is_allowed(event_type: str, events: Sequence[InboxEvent]) -> bool:
    """Whether a case with these events takes one more of a type.

    A case is acknowledged once. After its end nothing is assigned, resolved or withdrawn; answers
    and messages may follow a resolution, nothing follows a withdrawal.
    """
    types = {event.event_type for event in events}
    if "withdrawn" in types:
        return False
    if event_type in {"public_reply", "reporter_message"}:
        return True
    if event_type == "accepted" and "accepted" in types:
        return False
    return not types.intersection(_ENDS)


def holder_of(events: Sequence[InboxEvent], unit_id: str | None) -> str | None:
    """The unit that has the case: the last one it was assigned to, else the one it began with."""
    held = [event.unit_id for event in events if event.event_type == "assigned"]
    return held[-1] if held else unit_id


def _faulty(reading: Reading) -> set[str]:
    return {fault.field for fault in reading.faults}


def _instant(reading: Reading, data: Mapping[str, Any]) -> datetime | None:
    text = reading.text(data, "at", 40)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None and 2000 <= at.year <= 2200:
            return at.astimezone(UTC)
    except ValueError:
        pass
    reading.fault("at", "instant")
    return None
