"""Where a case stands: what the snapshot knows, and what came in since and is being processed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.inbox import InboxEvent, Submission
from connectors.intake.event import is_allowed
from connectors.intake.form import Form
from connectors.intake.published import PublishedCase, Unit
from connectors.intake.words import both

RECEIVED = "received"


@dataclass(frozen=True)
class Milestone:
    """One step of a case; `is_pending` until a snapshot knows it."""

    event_type: str
    label: Mapping[str, str]
    at: datetime
    text: str | None
    is_pending: bool


@dataclass(frozen=True)
class CaseStatus:
    """What a reporter may see of a case: nothing personal, nothing internal.

    `due_at` is the snapshot's due time, before that the promise. `actions` are what the reporter
    may do now.
    """

    case_no: str
    status: str
    label: Mapping[str, str]
    kind: str
    kind_label: Mapping[str, str]
    created_at: datetime
    due_at: datetime | None
    promise: Mapping[str, Any]
    milestones: tuple[Milestone, ...]
    last_reply: Milestone | None
    as_of: datetime | None
    tag: str | None
    actions: tuple[str, ...]

    @property
    def is_pending(self) -> bool:
        """Whether something of the case is not in a snapshot yet."""
        return any(step.is_pending for step in self.milestones)

    def body(self) -> dict[str, Any]:
        """The status as JSON."""
        return {
            "case_no": self.case_no,
            "status": {"id": self.status, **self.label},
            "is_pending": self.is_pending,
            "kind": {"id": self.kind, **self.kind_label},
            "created_at": self.created_at.isoformat(),
            "due_at": self.due_at.isoformat() if self.due_at else None,
            "milestones": [
                {
                    "event_type": step.event_type,
                    "label": dict(step.label),
                    "at": step.at.isoformat(),
                    "state": RECEIVED if step.is_pending else "published",
                }
                for step in self.milestones
            ],
            "last_reply": {
                "text": self.last_reply.text,
                "at": self.last_reply.at.isoformat(),
            }
            if self.last_reply
            else None,
            "snapshot": {"tag": self.tag, "as_of": self.as_of.isoformat()} if self.as_of else None,
            "actions": list(self.actions),
        }


def case_status(
    case: Submission,
    events: Sequence[InboxEvent],
    known: PublishedCase | None,
    form: Form,
    *,
    units: Mapping[str, Unit],
    as_of: datetime | None,
    tag: str | None,
) -> CaseStatus:
    """Put together what the inbox and the snapshot (`known`, None if it lacks the case) say."""
    published = known.event_ids if known else frozenset()
    steps = [
        Milestone(
            "created",
            both("event.created"),
            case.created_at,
            None,
            f"{case.case_no}:created" not in published,
        )
    ]
    for event in sorted(events, key=lambda one: (one.event_at, one.seq)):
        steps.append(
            Milestone(
                event.event_type,
                _label(event, units),
                event.event_at,
                event.text if event.event_type in {"public_reply", "resolved"} else None,
                event.event_no not in published,
            )
        )
    replies = [step for step in steps if step.text]
    status = known.status if known else RECEIVED
    kind = form.kind_label(case.kind)
    actions = [
        action
        for action, event_type in (("message", "reporter_message"), ("withdraw", "withdrawn"))
        if is_allowed(event_type, events)
    ]
    return CaseStatus(
        case_no=case.case_no,
        status=status,
        label=both(f"state.{status}"),
        kind=case.kind,
        kind_label={"zh": kind.zh, "en": kind.en},
        created_at=case.created_at,
        due_at=known.due_at if known and known.due_at else case.promised_due_at,
        promise=case.promise,
        milestones=tuple(steps),
        last_reply=replies[-1] if replies else None,
        as_of=as_of,
        tag=tag,
        actions=tuple(actions),
    )


def _label(event: InboxEvent, units: Mapping[str, Unit]) -> dict[str, str]:
    unit = units.get(event.unit_id) if event.unit_id else None
    if event.event_type == "assigned" and unit is not None:
        return {
            language: both("event.assigned_to", unit=unit.name[language])[language]
            for language in ("zh", "en")
        }
    return both(f"event.{event.event_type}")
