"""Credentials: how an account proves who it is.

An initial password is ten random characters of an alphabet of 31 (about 50 bits). It is kept as
HMAC-SHA-256 under a key of the home: nobody can guess through 50 random bits with the key unknown,
and hundreds of accounts are invited in one moment. What a person chooses has no such strength and
is kept as argon2. The initial password leaves once, in a message whose secret part is sealed.
"""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.engine import Connection

from cubes.label import Language
from notifications.account import recipients
from notifications.audit import event, note, note_all
from notifications.errors import CredentialError
from notifications.outbox import PLACEHOLDER, NewMessage, advance, enqueue, message_id
from notifications.schema import audit_event, credential, message, session
from notifications.sms import Body, TextLine, fit

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Letters and digits that nobody takes for one another."""

INITIAL_LENGTH = len(PLACEHOLDER)

SHORTEST, LONGEST = 10, 128

RESETS_A_DAY = 3
"""How often others may reset the password of one account in 24 hours."""

_VALID = timedelta(days=3)
_AFTER_DIGESTS = 7
_TRIES = 5
_FIRST_LOCK = timedelta(minutes=15)
_LONGEST_LOCK = timedelta(hours=24)
# The events themselves are written at the home's clock, which may stand still.
_COUNTED = "real_time"

Seal = Callable[[str], bytes]
Weakness = Literal["too_short", "too_long", "phone", "initial", "same", "common"]

_TEXTS: Mapping[Language, Sequence[str]] = {
    "zh": ("您的回音账号已开通，初始密码：{secret}", "请用本手机号登录 {address} 并修改密码"),
    "en": (
        "Your Huiyin account is ready. Initial password: {secret}",
        "Sign in with this phone number at {address} and change it",
    ),
}
_COMMON = frozenset(
    Path(__file__).with_name("common_passwords.txt").read_text(encoding="ascii").split()
)


@dataclass(frozen=True)
class Invitation:
    """What invitations are made with.

    `key` keeps initial passwords, `seal` encrypts what a message must not show, `address` is where
    the portal answers.
    """

    key: bytes
    seal: Seal
    address: str
    signatures: Mapping[Language, str]
    language: Language


def invite(connection: Connection, invitation: Invitation, now: datetime) -> int:
    """Give an initial password to every account that can be reached and has none; return how many.

    Credential and message are one transaction of the caller: repeating it adds nothing.
    """
    known: set[str] = set(connection.execute(sa.select(credential.c.account_id)).scalars())
    new = [one for one in recipients(connection).values() if one.account_id not in known]
    if not new:
        return 0
    rows, messages = [], []
    for person in new:
        row, sent = _issue(invitation, person.account_id, person.contact_id, 1, now)
        rows.append(row)
        messages.append(sent)
    connection.execute(credential.insert(), rows)
    note_all(connection, [event("invited", one.account_id, now, "roster", {}) for one in new])
    enqueue(connection, messages, now)
    return len(new)


def reset(
    connection: Connection,
    invitation: Invitation,
    account_id: str,
    now: datetime,
    *,
    actor: str,
    wall: datetime | None = None,
) -> int:
    """Replace an account's password by a new initial one, end its sessions; return the version.

    An earlier invitation is cancelled if it was not sent yet or nobody knows whether it was.
    `wall`, the real time, makes it a reset that `may_reset` counts. Raises CredentialError for an
    account that cannot be reached.
    """
    person = recipients(connection).get(account_id)
    if person is None:
        raise CredentialError(
            f"Resetting the password of {account_id!r} failed: there is no active account with "
            "this id, a unit and a phone. Nothing was changed. Trying again does not help; take an "
            "id from `huiyin account list`."
        )
    old = connection.execute(
        sa.select(credential.c.password_version).where(credential.c.account_id == account_id)
    ).scalar()
    version = (old or 0) + 1
    if old is not None:
        _cancel(connection, message_id(invitation_key(account_id, old)), now)
        connection.execute(credential.delete().where(credential.c.account_id == account_id))
    row, sent = _issue(invitation, account_id, person.contact_id, version, now)
    connection.execute(credential.insert().values(row))
    connection.execute(session.delete().where(session.c.account_id == account_id))
    counted = {} if wall is None else {_COUNTED: wall.isoformat()}
    note(connection, "password_reset", account_id, now, actor=actor, **counted)
    enqueue(connection, [sent], now)
    return version


def may_reset(connection: Connection, account_id: str, wall: datetime) -> bool:
    """Whether an account had fewer than three counted resets in the last 24 hours."""
    query = sa.select(audit_event.c.detail).where(
        audit_event.c.account_id == account_id, audit_event.c.action == "password_reset"
    )
    details: list[dict[str, str]] = list(connection.execute(query).scalars())
    since = wall - timedelta(days=1)
    recent = [
        detail
        for detail in details
        if _COUNTED in detail and datetime.fromisoformat(detail[_COUNTED]) > since
    ]
    return len(recent) < RESETS_A_DAY


def _cancel(connection: Connection, identity: str, now: datetime) -> None:
    waiting = connection.execute(
        sa.select(message.c.message_id).where(
            message.c.message_id == identity, message.c.state.in_(["queued", "in_doubt"])
        )
    ).scalar()
    if waiting is not None:
        advance(connection, [identity], "cancelled", now, reason="password_reset")


def invitation_key(account_id: str, version: int) -> str:
    """The key of the message that carries an initial password."""
    return f"account:{account_id}:{version}"


def _issue(
    invitation: Invitation, account_id: str, contact_id: str, version: int, now: datetime
) -> tuple[dict[str, object], NewMessage]:
    password = "".join(secrets.choice(ALPHABET) for _ in range(INITIAL_LENGTH))
    row = {
        "account_id": account_id,
        "kind": "initial",
        "hash": initial_hash(invitation.key, account_id, version, password),
        "password_version": version,
        "must_change": True,
        "failed_count": 0,
        "locked_until": None,
        "changed_at": now,
    }
    sent = NewMessage(
        dedupe_key=invitation_key(account_id, version),
        kind="account",
        subject_id="initial_password",
        account_id=account_id,
        contact_id=contact_id,
        language=invitation.language,
        body=_text(invitation),
        figures={},
        snapshot="",
        due_at=now,
        expires_at=now + _VALID,
        priority=_AFTER_DIGESTS,
        secret=invitation.seal(password),
    )
    return row, sent


def _text(invitation: Invitation) -> Body:
    """The text with its placeholder, counted as it will be sent."""

    def filled(secret: str) -> Body:
        lines = [
            TextLine(1, line.format(secret=secret, address=invitation.address))
            for line in _TEXTS[invitation.language]
        ]
        return fit(invitation.signatures[invitation.language], lines, 2)

    return Body(filled(PLACEHOLDER).text, filled("x" * INITIAL_LENGTH).segments, ())


def initial_hash(key: bytes, account_id: str, version: int, password: str) -> str:
    """What is kept of an initial password."""
    text = f"{account_id}\0{version}\0{password}".encode()
    return hmac.digest(key, text, "sha256").hex()


def plain_form(password: str) -> str:
    """One form for all ways of typing the same characters."""
    return unicodedata.normalize("NFKC", password)


@dataclass(frozen=True)
class Credential:
    """The stored proof of one account."""

    account_id: str
    kind: Literal["initial", "chosen"]
    hash: str
    password_version: int
    must_change: bool


class Passwords:
    """Verifies and makes hashes; one argon2 computation each time, whatever is known."""

    def __init__(self, hasher: PasswordHasher, initial_key: bytes) -> None:
        self._hasher = hasher
        self._key = initial_key
        self._nobody = hasher.hash(secrets.token_hex(16))

    def fits(self, stored: Credential | None, password: str) -> bool:
        """Whether the password is the stored one; as slow for an account that does not exist."""
        text = plain_form(password)[:LONGEST]
        chosen = stored is not None and stored.kind == "chosen"
        matches = self._matches(stored.hash if stored and chosen else self._nobody, text)
        if stored is None or chosen:
            return matches and stored is not None
        return self._is_initial(stored, text)

    def _matches(self, known: str, text: str) -> bool:
        try:
            return self._hasher.verify(known, text)
        except (VerificationError, InvalidHashError):
            return False

    def _is_initial(self, stored: Credential, text: str) -> bool:
        # People copy it from an SMS: capitals and blanks around it are not what makes it secret.
        typed = text.strip().lower()
        found = initial_hash(self._key, stored.account_id, stored.password_version, typed)
        return hmac.compare_digest(found, stored.hash)

    def weakness(
        self, stored: Credential, password: str, *, is_own_phone: Callable[[str], bool]
    ) -> Weakness | None:
        """What makes a new password unfit; None if it is fit."""
        text = plain_form(password)
        if len(text) < SHORTEST:
            return "too_short"
        if len(text) > LONGEST:
            return "too_long"
        if is_own_phone(text):
            return "phone"
        if stored.kind == "initial" and self._is_initial(stored, text):
            return "initial"
        if text.lower() in _COMMON or len(set(text)) < 4:
            return "common"
        if stored.kind == "chosen" and self._matches(stored.hash, text):
            return "same"
        return None

    def hash(self, password: str) -> str:
        """The argon2 hash of a chosen password."""
        return self._hasher.hash(plain_form(password))


def find_credential(connection: Connection, account_id: str) -> Credential | None:
    """The credential of an account."""
    row = connection.execute(
        sa.select(credential).where(credential.c.account_id == account_id)
    ).one_or_none()
    if row is None:
        return None
    return Credential(row.account_id, row.kind, row.hash, row.password_version, row.must_change)


def choose(connection: Connection, account_id: str, hashed: str, now: datetime) -> None:
    """Store a chosen password and end every session of the account."""
    connection.execute(
        credential.update()
        .where(credential.c.account_id == account_id)
        .values(
            kind="chosen",
            hash=hashed,
            password_version=credential.c.password_version + 1,
            must_change=False,
            failed_count=0,
            locked_until=None,
            changed_at=now,
        )
    )
    connection.execute(session.delete().where(session.c.account_id == account_id))
    note(connection, "password_changed", account_id, now)


def lock_after(failures: int) -> timedelta | None:
    """How long the n-th wrong password in a row locks: 15 minutes at the 5th, doubled each 5."""
    if failures == 0 or failures % _TRIES:
        return None
    doubled: int = 1 << min(failures // _TRIES - 1, 10)
    return min(_FIRST_LOCK * doubled, _LONGEST_LOCK)


def begin_try(connection: Connection, account_id: str, wall: datetime) -> bool:
    """Count a try before it is judged; False if the account is locked, then nothing is counted.

    `wall` is real time: a lock ends even where the home's clock stands still.

    Counting first means that tries made at the same moment are all counted; `end_try` takes the
    count back after the right password.
    """
    row = connection.execute(
        sa.select(credential.c.failed_count, credential.c.locked_until).where(
            credential.c.account_id == account_id
        )
    ).one()
    if row.locked_until is not None and row.locked_until > wall:
        return False
    failures = row.failed_count + 1
    lock = lock_after(failures)
    connection.execute(
        credential.update()
        .where(credential.c.account_id == account_id)
        .values(failed_count=failures, locked_until=None if lock is None else wall + lock)
    )
    return True


def end_try(
    connection: Connection, account_id: str, now: datetime, wall: datetime, *, is_right: bool
) -> None:
    """Forget the count after the right password, or note the wrong one and the lock it caused.

    Events are written at `now`, the home's clock; the lock is of real time, `wall`.
    """
    if is_right:
        connection.execute(
            credential.update()
            .where(credential.c.account_id == account_id)
            .values(failed_count=0, locked_until=None)
        )
        note(connection, "signed_in", account_id, now)
        return
    note(connection, "sign_in_failed", account_id, now)
    until = connection.execute(
        sa.select(credential.c.locked_until).where(credential.c.account_id == account_id)
    ).scalar()
    if until is not None and until > wall:
        note(connection, "locked", account_id, now, until=until.isoformat())
