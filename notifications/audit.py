"""The audit log: who did what to which account; append-only, and never a number."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from notifications.schema import audit_event


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
    connection.execute(audit_event.insert().values(**event(action, account_id, now, actor, detail)))


def event(
    action: str, account_id: str, now: datetime, actor: str | None, detail: Mapping[str, Any]
) -> dict[str, Any]:
    """The row of one event."""
    return {
        "at": now,
        "actor": actor or account_id,
        "action": action,
        "account_id": account_id,
        "detail": dict(detail),
    }
