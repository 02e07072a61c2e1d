"""The outbox: messages with unique keys, and the steps their state allows.

queued -> submitting -> accepted -> delivered | undelivered
side exits: suppressed, expired, cancelled, dead, in_doubt -> (accepted | queued | unknown)
A password that was replaced must not go out again: in_doubt -> cancelled
A receipt may prove an earlier attempt while the message waits to be sent again: queued -> delivered
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from notifications.errors import OutboxError
from notifications.schema import message
from notifications.sms import Body
from notifications.store import insert_missing
from notifications.unit import units_of

State = Literal[
    "queued",
    "submitting",
    "accepted",
    "delivered",
    "undelivered",
    "suppressed",
    "expired",
    "cancelled",
    "dead",
    "in_doubt",
    "unknown",
]

STEPS: Mapping[State, frozenset[State]] = {
    "queued": frozenset({"submitting", "suppressed", "expired", "cancelled", "dead", "delivered"}),
    "submitting": frozenset({"accepted", "delivered", "undelivered", "queued", "dead", "in_doubt"}),
    "in_doubt": frozenset(
        {"accepted", "delivered", "undelivered", "queued", "unknown", "cancelled"}
    ),
    "accepted": frozenset({"delivered", "undelivered"}),
    "unknown": frozenset({"accepted", "delivered", "undelivered"}),
    "delivered": frozenset(),
    "undelivered": frozenset(),
    "suppressed": frozenset(),
    "expired": frozenset(),
    "cancelled": frozenset(),
    "dead": frozenset(),
}

PLACEHOLDER = "•" * 10
"""What stands in a text where its secret part will be."""

_MAY_SEND_YET: frozenset[State] = frozenset({"queued", "submitting", "in_doubt", "unknown"})

_CHUNK = 500
_NAMESPACE = uuid.UUID("5d2cbb5e-6d0b-5a3e-9a44-8a1f0c6f1b57")


@dataclass(frozen=True)
class NewMessage:
    """A message to put into the outbox.

    `in_doubt_policy` says what happens when nobody can tell whether it went out: `resend` it, or
    leave it for a person (`ask`). `figures` is what `explain` will show. `secret` is the sealed
    part that the dispatcher puts into the text when it sends; it goes when the message is done.
    """

    dedupe_key: str
    kind: Literal["digest", "alert", "account"]
    subject_id: str
    account_id: str
    contact_id: str
    language: str
    body: Body
    figures: Mapping[str, Any]
    snapshot: str
    due_at: datetime
    expires_at: datetime
    priority: int = 5
    in_doubt_policy: Literal["resend", "ask"] = "resend"
    secret: bytes | None = None


def message_id(dedupe_key: str) -> str:
    """The id that follows from a message's key."""
    return str(uuid.uuid5(_NAMESPACE, dedupe_key))


def enqueue(connection: Connection, messages: Sequence[NewMessage], now: datetime) -> int:
    """Insert the messages whose key is new; return how many were. Repeating adds nothing.

    Each notes the unit to which its recipient belongs now.
    """
    units = units_of(connection, {new.account_id for new in messages})
    rows = [
        {
            "message_id": message_id(new.dedupe_key),
            "dedupe_key": new.dedupe_key,
            "kind": new.kind,
            "subject_id": new.subject_id,
            "account_id": new.account_id,
            "contact_id": new.contact_id,
            "language": new.language,
            "text": new.body.text,
            "encoding": new.body.segments.encoding,
            "segments": new.body.segments.count,
            "figures": dict(new.figures),
            "snapshot": new.snapshot,
            "in_doubt_policy": new.in_doubt_policy,
            "priority": new.priority,
            "state": "queued",
            "reason": None,
            "attempts": 0,
            "due_at": new.due_at,
            "expires_at": new.expires_at,
            "created_at": now,
            "updated_at": now,
            "secret": new.secret,
            "planned_at": new.due_at,
            "unit_id": units.get(new.account_id),
        }
        for new in messages
    ]
    return insert_missing(connection, message, rows, ["dedupe_key"]) if rows else 0


def advance(
    connection: Connection,
    identities: Sequence[str],
    to: State,
    now: datetime,
    *,
    reason: str | None = None,
    **columns: Any,
) -> None:
    """Move messages to another state and set further columns; a finished one loses its secret.

    Raises OutboxError if the present state of any of them forbids that; the transaction is then to
    be given up.
    """
    allowed = [state for state, targets in STEPS.items() if to in targets]
    if to not in _MAY_SEND_YET:
        columns["secret"] = None
    for start in range(0, len(identities), _CHUNK):
        some = identities[start : start + _CHUNK]
        result = connection.execute(
            message.update()
            .where(message.c.message_id.in_(some), message.c.state.in_(allowed))
            .values(state=to, reason=reason, updated_at=now, **columns)
        )
        if result.rowcount != len(some):
            raise _not_allowed(connection, some, to, allowed)


def _not_allowed(
    connection: Connection, identities: Sequence[str], to: State, allowed: Sequence[str]
) -> OutboxError:
    query = sa.select(message.c.message_id, message.c.state)
    present = {
        row.message_id: row.state
        for row in connection.execute(query.where(message.c.message_id.in_(identities)))
    }
    # Those that were moved just now are in `to`; the first other one is the culprit.
    wrong = [one for one in identities if present.get(one) not in (to, *allowed)]
    identity = wrong[0] if wrong else identities[0]
    found = present.get(identity)
    return OutboxError(
        f"Moving message {identity} to '{to}': "
        + ("there is no such message" if found is None else f"it is '{found}'")
        + ", which does not allow that. Trying again does not help."
    )


def counts(connection: Connection) -> dict[str, int]:
    """How many messages are in each state."""
    query = sa.select(message.c.state, sa.func.count()).group_by(message.c.state)
    return {str(row[0]): int(row[1]) for row in connection.execute(query.order_by(message.c.state))}
