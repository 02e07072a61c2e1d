"""The audit log: who did what to which account; append-only, and never a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from notifications.schema import audit_event
from notifications.unit import units_of

OBJECTS = ("digest", "figure", "unit_id")
"""Details that are the id of a declaration or a unit; the first that an event has is its object.

What a person typed is none: of a unit that was refused nobody knows what stands in its place.
"""


def note(
    connection: Connection,
    action: str,
    account_id: str,
    now: datetime,
    *,
    actor: str | None = None,
    **detail: Any,
) -> None:
    """Write one event; `actor` is who acted (default the account itself)."""
    note_all(connection, [event(action, account_id, now, actor, detail)])


def note_all(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    """Write events made by `event`, each with the unit to which its actor belongs now."""
    if not events:
        return
    units = units_of(connection, {one["actor"] for one in events})
    rows = [{**one, "unit_id": units.get(one["actor"])} for one in events]
    connection.execute(audit_event.insert(), rows)


def event(
    action: str, account_id: str, now: datetime, actor: str | None, detail: Mapping[str, Any]
) -> dict[str, Any]:
    """The row of one event, without the unit of who acted."""
    return {
        "at": now,
        "actor": actor or account_id,
        "action": action,
        "account_id": account_id,
        "detail": dict(detail),
        "object_id": next((str(detail[one]) for one in OBJECTS if one in detail), None),
    }
