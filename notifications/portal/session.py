"""Sessions: who is signed in, and the tokens that prove a form came from our own page."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from notifications.account import Role
from notifications.schema import account, credential, role_assignment, session

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
_SEEN_STEP = timedelta(minutes=1)


@dataclass(frozen=True)
class Person:
    """Who is signed in: the account, its units, and what its roles allow."""

    account_id: str
    position: str
    phone_key: str | None
    units: frozenset[str]
    permissions: frozenset[str]
    csrf: str
    must_change: bool

    def may(self, permission: str) -> bool:
        """Whether a role of the account allows something."""
        return permission in self.permissions


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def open_session(connection: Connection, account_id: str, now: datetime) -> str:
    """Begin a session and return its token, which is kept only as a hash."""
    token = secrets.token_urlsafe(32)
    connection.execute(session.delete().where(session.c.expires_at <= now))
    connection.execute(
        session.insert().values(
            token_hash=_hashed(token),
            account_id=account_id,
            csrf=secrets.token_urlsafe(24),
            created_at=now,
            seen_at=now,
            expires_at=now + LONGEST,
        )
    )
    return token


def end_session(connection: Connection, token: str) -> str | None:
    """End a session; return its account, None if there was none."""
    found: str | None = connection.execute(
        sa.select(session.c.account_id).where(session.c.token_hash == _hashed(token))
    ).scalar()
    connection.execute(session.delete().where(session.c.token_hash == _hashed(token)))
    return found


@dataclass(frozen=True)
class Seen:
    """A person and whether the session's last use must be written down."""

    person: Person
    is_old: bool


def find_person(
    connection: Connection, token: str, now: datetime, *, roles: Mapping[str, Role]
) -> Seen | None:
    """The person behind a token; None if the session is over or the account is not active."""
    query = (
        sa.select(session, account.c.position, account.c.phone_key, credential.c.must_change)
        .join(account, account.c.account_id == session.c.account_id)
        .join(credential, credential.c.account_id == session.c.account_id)
        .where(session.c.token_hash == _hashed(token), account.c.status == "active")
    )
    row = connection.execute(query).one_or_none()
    if row is None or row.expires_at <= now or row.seen_at + IDLE <= now:
        return None
    duties = connection.execute(
        sa.select(role_assignment.c.role, role_assignment.c.unit_id).where(
            role_assignment.c.account_id == row.account_id
        )
    ).all()
    person = Person(
        row.account_id,
        row.position,
        row.phone_key,
        frozenset(duty.unit_id for duty in duties),
        permissions_of((duty.role for duty in duties), roles),
        row.csrf,
        row.must_change,
    )
    return Seen(person, now - row.seen_at >= _SEEN_STEP)


def permissions_of(names: Iterable[str], roles: Mapping[str, Role]) -> frozenset[str]:
    """Everything that the named roles allow together."""
    return frozenset(
        permission for name in names if name in roles for permission in roles[name].permissions
    )


def touch(connection: Connection, token: str, now: datetime) -> None:
    """Write down that a session was used."""
    connection.execute(
        session.update().where(session.c.token_hash == _hashed(token)).values(seen_at=now)
    )


def form_token(key: bytes, nonce: str) -> str:
    """What a form before sign-in carries: it fits only the visitor's own cookie `nonce`."""
    return hmac.digest(key, f"sign-in form\0{nonce}".encode(), "sha256").hex()
