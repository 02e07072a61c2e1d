"""Explaining a message: what it said, from which figures, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from notifications.errors import OutboxError
from notifications.schema import attempt, delivery_receipt, message


@dataclass(frozen=True)
class AttemptStory:
    """One attempt to send, with the receipts that came for it."""

    ordinal: int
    gateway: str
    state: str
    code: str | None
    started_at: datetime
    ended_at: datetime | None
    receipts: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True)
class Explanation:
    """Everything known about a message; it holds no number and no pseudonym."""

    message_id: str
    dedupe_key: str
    kind: str
    subject_id: str
    account_id: str
    language: str
    text: str
    encoding: str
    segments: int
    figures: Mapping[str, Any]
    snapshot: str
    state: str
    reason: str | None
    created_at: datetime
    expires_at: datetime
    attempts: tuple[AttemptStory, ...]


def explain_message(connection: Connection, message_id: str) -> Explanation:
    """Explain one message. Raises OutboxError if there is none with this id."""
    row = connection.execute(
        sa.select(message).where(message.c.message_id == message_id)
    ).one_or_none()
    if row is None:
        raise OutboxError(
            f"Explaining message {message_id}: the outbox has no such message. Trying again does "
            "not help; take an id from the list of messages."
        )
    attempts = connection.execute(
        sa.select(attempt).where(attempt.c.message_id == message_id).order_by(attempt.c.ordinal)
    ).all()
    return Explanation(
        row.message_id,
        row.dedupe_key,
        row.kind,
        row.subject_id,
        row.account_id,
        row.language,
        row.text,
        row.encoding,
        row.segments,
        row.figures,
        row.snapshot,
        row.state,
        row.reason,
        row.created_at,
        row.expires_at,
        tuple(
            AttemptStory(
                one.ordinal,
                one.gateway,
                one.state,
                one.code,
                one.started_at,
                one.ended_at,
                _receipts(connection, one.gateway, one.reference, one.gateway_message_id),
            )
            for one in attempts
        ),
    )


def _receipts(
    connection: Connection, gateway: str, reference: str, identity: str | None
) -> tuple[tuple[str, datetime], ...]:
    query = (
        sa.select(delivery_receipt.c.status, delivery_receipt.c.received_at)
        .where(
            delivery_receipt.c.gateway == gateway,
            sa.or_(
                delivery_receipt.c.reference == reference,
                delivery_receipt.c.gateway_message_id == identity,
            ),
        )
        .order_by(delivery_receipt.c.received_at, delivery_receipt.c.status)
    )
    return tuple((row.status, row.received_at) for row in connection.execute(query))
