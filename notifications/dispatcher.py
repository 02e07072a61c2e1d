"""The dispatcher: sends what the outbox holds, once.

The intent to send is committed before the gateway sees anything. Whoever starts after a crash
finds those intents, calls them in doubt, and lets receipts decide; only what no receipt proves is
sent again, by the policy of the message. Numbers are asked for at send time and kept nowhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from notifications.credential import invitation_key
from notifications.lease import release_lease, renew_lease, take_lease
from notifications.outbox import PLACEHOLDER, advance
from notifications.schema import (
    account,
    attempt,
    contact,
    credential,
    delivery_receipt,
    message,
    suppression,
)
from notifications.sms import segments
from notifications.store import insert_missing
from notifications.transports import (
    Accepted,
    Ambiguous,
    Answer,
    NotSent,
    Receipt,
    Rejected,
    Submission,
    Transport,
)
from notifications.transports.file import FileTransport

Reveal = Callable[[str], str | None]
Clock = Callable[[], datetime]
Unseal = Callable[[bytes], str | None]

_FIRST_RETRY = timedelta(seconds=30)
_LONGEST_RETRY = timedelta(minutes=15)
_GROUP = 100


@dataclass(frozen=True)
class DispatchReport:
    """What one run did. `waiting` counts messages that are left for later."""

    submitted: int = 0
    accepted: int = 0
    delivered: int = 0
    resolved: int = 0
    retried: int = 0
    refused: int = 0
    expired: int = 0
    suppressed: int = 0
    cancelled: int = 0
    unknown: int = 0
    waiting: int = 0

    def plus(self, **more: int) -> DispatchReport:
        """The report with some counts increased."""
        return replace(self, **{name: getattr(self, name) + count for name, count in more.items()})


def file_transport(path: Path) -> Transport:
    """Open the default transport: JSON lines at `path`. Raises GatewayBusy, TransportError."""
    return FileTransport(path)


def dispatch(
    engine: Engine,
    transport: Transport,
    reveal: Reveal,
    now: datetime | Clock,
    *,
    owner: str,
    rng: random.Random,
    until_empty: bool = True,
    group: int = _GROUP,
    unseal: Unseal = lambda _sealed: None,
) -> DispatchReport:
    """Send what is due; with `until_empty` until nothing is due any more, else one group.

    `owner` names this process in the lease. `unseal` opens the secret part of a message, None if it
    cannot. Raises GatewayBusy if another one holds the lease.
    """
    clock: Clock = now if callable(now) else lambda: now
    with engine.begin() as connection:
        take_lease(connection, transport.gateway, owner, clock(), is_alone=transport.is_exclusive)
    try:
        report = _recover(engine, transport, clock())
        while True:
            with engine.begin() as connection:
                renew_lease(connection, transport.gateway, owner, clock())
                expired = _expire(connection, clock())
                report = report.plus(expired=expired)
                batch, report = _intend(
                    connection, transport, reveal, unseal, clock(), group, report
                )
            if batch:
                answers = transport.submit(batch, clock())
                with engine.begin() as connection:
                    report = _record(connection, batch, answers, clock(), rng, report)
            report = _collect(engine, transport, clock(), report)
            if not until_empty or not has_due(engine, clock()):
                break
    finally:
        with engine.begin() as connection:
            release_lease(connection, transport.gateway, owner)
    with engine.begin() as connection:
        waiting = connection.execute(
            sa.select(sa.func.count()).where(message.c.state.in_(["queued", "in_doubt"]))
        ).scalar_one()
    return report.plus(waiting=waiting)


def _recover(engine: Engine, transport: Transport, now: datetime) -> DispatchReport:
    """Turn the intents of a dead run into doubts, then settle what can be settled."""
    with engine.begin() as connection:
        open_intents = connection.execute(
            sa.select(attempt.c.reference, attempt.c.message_id).where(
                attempt.c.gateway == transport.gateway, attempt.c.state == "intent"
            )
        ).all()
        _set_attempts(
            connection, [row.reference for row in open_intents], now, state="in_doubt", ended_at=now
        )
        interrupted = [row.message_id for row in open_intents]
        advance(connection, interrupted, "in_doubt", now, reason="interrupted")
    return _collect(engine, transport, now, DispatchReport())


def _collect(
    engine: Engine, transport: Transport, now: datetime, report: DispatchReport
) -> DispatchReport:
    """Store receipts, match them, acknowledge them, and settle doubts that waited long enough."""
    receipts = transport.receipts()
    with engine.begin() as connection:
        _keep(connection, transport.gateway, receipts, now)
        report = _match(connection, transport.gateway, now, report)
        report = _settle(connection, transport, now, report)
    transport.acknowledge(receipts)
    return report


def _keep(connection: Connection, gateway: str, receipts: Sequence[Receipt], now: datetime) -> None:
    rows = [
        {
            "gateway": gateway,
            "gateway_message_id": one.gateway_message_id,
            "status": one.status,
            "reference": one.reference,
            "is_matched": False,
            "received_at": now,
        }
        for one in receipts
    ]
    if rows:
        insert_missing(
            connection, delivery_receipt, rows, ["gateway", "gateway_message_id", "status"]
        )


def _match(
    connection: Connection, gateway: str, now: datetime, report: DispatchReport
) -> DispatchReport:
    is_ours = sa.or_(
        attempt.c.reference == delivery_receipt.c.reference,
        sa.and_(
            attempt.c.gateway == delivery_receipt.c.gateway,
            attempt.c.gateway_message_id == delivery_receipt.c.gateway_message_id,
        ),
    )
    query = (
        sa.select(
            delivery_receipt.c.gateway_message_id,
            delivery_receipt.c.status,
            attempt.c.reference,
            attempt.c.state.label("attempt_state"),
            message.c.message_id,
            message.c.state,
        )
        .join(attempt, is_ours)
        .join(message, message.c.message_id == attempt.c.message_id)
        .where(delivery_receipt.c.gateway == gateway, delivery_receipt.c.is_matched == sa.false())
        .order_by(attempt.c.reference)
    )
    rows = connection.execute(query).all()
    if not rows:
        return report
    connection.execute(
        attempt.update()
        .where(attempt.c.reference == sa.bindparam("one"))
        .values(
            state=sa.bindparam("status"),
            gateway_message_id=sa.bindparam("identity"),
            ended_at=now,
            changed_at=now,
        ),
        [
            {"one": row.reference, "status": row.status, "identity": row.gateway_message_id}
            for row in rows
        ],
    )
    connection.execute(
        delivery_receipt.update()
        .where(
            delivery_receipt.c.gateway == gateway,
            delivery_receipt.c.gateway_message_id == sa.bindparam("identity"),
            delivery_receipt.c.status == sa.bindparam("told"),
        )
        .values(is_matched=True),
        [{"identity": row.gateway_message_id, "told": row.status} for row in rows],
    )
    open_states = ("submitting", "accepted", "in_doubt", "unknown")
    for status in ("delivered", "undelivered"):
        # A late proof of delivery also stops a message that waits to be sent again.
        states = (*open_states, "queued") if status == "delivered" else open_states
        proved = {row.message_id for row in rows if row.status == status and row.state in states}
        advance(connection, sorted(proved), status, now)
    return report.plus(
        delivered=sum(row.status == "delivered" for row in rows),
        resolved=sum(row.attempt_state == "in_doubt" for row in rows),
    )


def _settle(
    connection: Connection, transport: Transport, now: datetime, report: DispatchReport
) -> DispatchReport:
    query = (
        sa.select(attempt.c.reference, message.c.message_id, message.c.in_doubt_policy)
        .join(message, message.c.message_id == attempt.c.message_id)
        .where(
            attempt.c.gateway == transport.gateway,
            attempt.c.state == "in_doubt",
            attempt.c.ended_at <= now - transport.hold,
            message.c.state == "in_doubt",
        )
        .order_by(attempt.c.reference)
    )
    rows = connection.execute(query).all()
    _set_attempts(connection, [row.reference for row in rows], now, state="unproved")
    again = [row.message_id for row in rows if row.in_doubt_policy == "resend"]
    left = [row.message_id for row in rows if row.in_doubt_policy != "resend"]
    advance(connection, again, "queued", now, reason="resend", due_at=now)
    advance(connection, left, "unknown", now, reason="no_receipt")
    return report.plus(retried=len(again), unknown=len(left))


def _set_attempts(
    connection: Connection, references: Sequence[str], now: datetime, **columns: object
) -> None:
    if references:
        connection.execute(
            attempt.update()
            .where(attempt.c.reference == sa.bindparam("one"))
            .values(changed_at=now, **columns),
            [{"one": reference} for reference in references],
        )


def _expire(connection: Connection, now: datetime) -> int:
    result = connection.execute(
        message.update()
        .where(message.c.state == "queued", message.c.expires_at <= now)
        .values(state="expired", reason="too_late", updated_at=now, secret=None)
    )
    return result.rowcount


def has_due(engine: Engine, now: datetime) -> bool:
    """Whether a message waits to be sent at `now`."""
    with engine.begin() as connection:
        query = sa.select(message.c.message_id).where(
            message.c.state == "queued", message.c.due_at <= now
        )
        return connection.execute(query.limit(1)).first() is not None


def _intend(
    connection: Connection,
    transport: Transport,
    reveal: Reveal,
    unseal: Unseal,
    now: datetime,
    group: int,
    report: DispatchReport,
) -> tuple[list[Submission], DispatchReport]:
    """Choose the next group and write down the intent to send it."""
    query = (
        sa.select(
            message,
            contact.c.pseudonym,
            account.c.status,
            suppression.c.reason.label("stop"),
            credential.c.kind.label("password"),
            credential.c.password_version,
        )
        .outerjoin(contact, contact.c.contact_id == message.c.contact_id)
        .outerjoin(account, account.c.account_id == message.c.account_id)
        .outerjoin(credential, credential.c.account_id == message.c.account_id)
        .outerjoin(suppression, suppression.c.pseudonym == contact.c.pseudonym)
        .where(message.c.state == "queued", message.c.due_at <= now)
        .order_by(message.c.priority, message.c.due_at, message.c.message_id)
        .limit(group)
    )
    batch: list[Submission] = []
    attempts = []
    for row in connection.execute(query).all():
        identity = row.message_id
        phone = None if row.pseudonym is None else reveal(row.pseudonym)
        if row.status != "active":
            advance(connection, [identity], "cancelled", now, reason="account_disabled")
            report = report.plus(cancelled=1)
        elif row.kind == "account" and not _is_of_now(row):
            advance(connection, [identity], "cancelled", now, reason="password_replaced")
            report = report.plus(cancelled=1)
        elif row.stop is not None:
            advance(connection, [identity], "suppressed", now, reason=row.stop)
            report = report.plus(suppressed=1)
        elif phone is None:
            advance(connection, [identity], "dead", now, reason="no_number")
            report = report.plus(refused=1)
        elif (text := _whole_text(row.kind, row.text, row.secret, unseal)) is None:
            advance(connection, [identity], "dead", now, reason="secret_unreadable")
            report = report.plus(refused=1)
        else:
            reference = f"{identity}.{row.attempts + 1}"
            attempts.append(
                {
                    "reference": reference,
                    "message_id": identity,
                    "ordinal": row.attempts + 1,
                    "gateway": transport.gateway,
                    "state": "intent",
                    "started_at": now,
                    "changed_at": now,
                }
            )
            parts = segments(text).parts
            batch.append(Submission(reference, identity, phone, text, row.encoding, parts))
    if batch:
        connection.execute(attempt.insert(), attempts)
        chosen = [one.message_id for one in batch]
        advance(connection, chosen, "submitting", now, attempts=message.c.attempts + 1)
    return batch, report.plus(submitted=len(batch))


def _is_of_now(row: sa.Row[tuple[object, ...]]) -> bool:
    """Whether the initial password in a message still opens its account."""
    key = invitation_key(row.account_id, row.password_version or 0)
    return bool(row.password == "initial" and row.dedupe_key == key)


def _whole_text(kind: str, text: str, secret: bytes | None, unseal: Unseal) -> str | None:
    """The text as it is sent; None if its secret part cannot be opened."""
    if kind != "account":
        return text
    opened = None if secret is None else unseal(secret)
    return None if opened is None else text.replace(PLACEHOLDER, opened)


def retry_after(attempts: int, rng: random.Random) -> timedelta:
    """Waiting time after the n-th attempt: 30 s doubled each time, at most 15 min, with jitter.

    The jitter takes away up to a half, so that messages refused together do not come together.
    """
    doubled: int = 1 << min(attempts - 1, 10)
    full = min(_FIRST_RETRY * doubled, _LONGEST_RETRY)
    return full * (1 - rng.random() / 2)


def _record(
    connection: Connection,
    batch: Sequence[Submission],
    answers: Sequence[Answer],
    now: datetime,
    rng: random.Random,
    report: DispatchReport,
) -> DispatchReport:
    rows = []
    accepted = []
    for one, answer in zip(batch, answers, strict=True):
        state, code, identity = _attempt_state(answer)
        rows.append({"one": one.reference, "new": state, "why": code, "identity": identity})
        if isinstance(answer, Accepted):
            accepted.append(one.message_id)
        elif isinstance(answer, Ambiguous):
            advance(connection, [one.message_id], "in_doubt", now, reason=code)
        elif isinstance(answer, Rejected) and answer.kind == "permanent":
            advance(connection, [one.message_id], "dead", now, reason=code)
            report = report.plus(refused=1)
        else:
            due_at = now + retry_after(int(one.reference.rsplit(".", 1)[1]), rng)
            advance(connection, [one.message_id], "queued", now, reason=code, due_at=due_at)
            report = report.plus(retried=1)
    connection.execute(
        attempt.update()
        .where(attempt.c.reference == sa.bindparam("one"))
        .values(
            state=sa.bindparam("new"),
            code=sa.bindparam("why"),
            gateway_message_id=sa.bindparam("identity"),
            ended_at=now,
            changed_at=now,
        ),
        rows,
    )
    advance(connection, accepted, "accepted", now)
    return report.plus(accepted=len(accepted))


def _attempt_state(answer: Answer) -> tuple[str, str | None, str | None]:
    if isinstance(answer, Accepted):
        return "accepted", None, answer.gateway_message_id
    if isinstance(answer, Ambiguous):
        return "in_doubt", answer.code, None
    if isinstance(answer, NotSent):
        return "not_sent", answer.code, None
    return "rejected", answer.code, None
