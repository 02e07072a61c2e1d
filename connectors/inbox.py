"""The inbox (`inbox.db`): what came in through the intake, and who may write there by key.

Rows are frozen values and never change; `seq` numbers them in the order of their commits. Instants
are aware UTC. The inbox holds pseudonyms and scrubbed text, never a personal value or an address.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from connectors.inbox_packets import PacketBox
from connectors.inbox_schema import MIGRATIONS
from connectors.sqlite_store import as_instant, as_text, open_store, transaction

Row = TypeVar("Row", "Submission", "InboxEvent", "ApiClient")


@dataclass(frozen=True)
class Submission:
    """One matter as it was submitted.

    `client` is the id of an API client or "public"; `received_at` the arrival here, `created_at`
    when the matter was raised (the first instant of the local day where `created_precision` is
    day). `contacts` are pseudonyms by kind (name, phone, email); `promise` is what the reporter was
    told: the policy, or the reason why there is none. `seq` is 0 until it is stored.
    """

    case_no: str
    secret_hash: str
    client: str
    idempotency_key: str | None
    body_hash: str
    received_at: datetime
    created_at: datetime
    created_precision: str
    kind: str
    category_path: str | None
    channel: str
    org_unit_id: str | None
    text: str
    answers: Mapping[str, str]
    language: str
    entry_point: str | None
    form: str
    reporter_key: str | None
    contacts: Mapping[str, str]
    promised_due_at: datetime | None
    promise: Mapping[str, Any]
    is_flood: bool
    seq: int = 0


@dataclass(frozen=True)
class InboxEvent:
    """One thing that happened to a submitted case; `event_no` is `<case number>:<n>`."""

    event_no: str
    case_no: str
    client: str
    idempotency_key: str | None
    body_hash: str
    received_at: datetime
    event_type: str
    event_at: datetime
    actor_id: str | None
    actor_role: str
    unit_id: str | None
    text: str | None
    seq: int = 0


@dataclass(frozen=True)
class ApiClient:
    """One system or desk that may call by key.

    `unit_id` bounds the cases it may touch and the figures it may see, `sources` are those it
    delivers for; a test key checks everything and changes nothing.
    """

    client_id: str
    key_hash: str
    label: str
    unit_id: str | None
    permissions: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None
    sources: tuple[str, ...] = ()
    is_test: bool = False


class Inbox:
    """The inbox of one home; use one object per thread, close it or use it as a context."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_store(path, MIGRATIONS)
        self.packets = PacketBox(self._connection)

    def __enter__(self) -> Inbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store."""
        self._connection.close()

    def writing(self) -> Any:
        """A context in which everything added is committed together, durably, or not at all."""
        return transaction(self._connection)

    # Cases

    def add_submission(self, submission: Submission) -> None:
        """Add a submission; call inside `writing()`."""
        self._insert("submission", submission)

    def add_event(self, event: InboxEvent) -> None:
        """Add an event; call inside `writing()`."""
        self._insert("event", event)

    def submission(self, case_no: str) -> Submission | None:
        """Return the submission of a case number, or None."""
        return self._one(Submission, "submission where case_no = ?", [case_no])

    def submission_by_key(
        self, client: str, key: str, body_hash: str | None = None
    ) -> Submission | None:
        """Return what a client submitted under an idempotency key, with that body or any."""
        return self._one(Submission, *_under_key("submission", client, key, body_hash))

    def events(self, case_no: str) -> list[InboxEvent]:
        """List the events of a case in the order they came in."""
        return self._all(InboxEvent, "event where case_no = ? order by seq", [case_no])

    def event_by_key(
        self, client: str, key: str, body_hash: str | None = None
    ) -> InboxEvent | None:
        """Return the event a client wrote under an idempotency key, with that body or any."""
        return self._one(InboxEvent, *_under_key("event", client, key, body_hash))

    # Draining

    def submissions_between(self, first: int, last: int, limit: int) -> list[Submission]:
        """List up to `limit` submissions with `first` <= seq <= `last`, in their order."""
        return self._all(
            Submission,
            "submission where seq between ? and ? order by seq limit ?",
            [first, last, limit],
        )

    def events_between(self, first: int, last: int, limit: int) -> list[InboxEvent]:
        """List up to `limit` events with `first` <= seq <= `last`, in their order."""
        return self._all(
            InboxEvent, "event where seq between ? and ? order by seq limit ?", [first, last, limit]
        )

    def last_seq(self, table: str) -> int:
        """The highest number ever given in `submission` or `event`; 0 for none."""
        row = self._connection.execute(
            "select seq from sqlite_sequence where name = ?", [table]
        ).fetchone()
        return int(row[0]) if row else 0

    # Clients

    def add_client(self, client: ApiClient) -> bool:
        """Add an API client; False if its label is taken."""
        try:
            with transaction(self._connection):
                self._insert("api_client", client)
        except sqlite3.IntegrityError:
            return False
        return True

    def clients(self) -> list[ApiClient]:
        """List API clients by label, disabled ones too."""
        return self._all(ApiClient, "api_client order by label", [])

    def client_of(self, key: str) -> ApiClient | None:
        """Return the client that holds a key, or None for an unknown or disabled one."""
        return self._one(
            ApiClient, "api_client where key_hash = ? and disabled_at is null", [key_hash(key)]
        )

    def renew_client(self, label: str, new_hash: str) -> bool:
        """Give a client another key, the old one is void at once; False for none or a disabled one.

        Everything else of it stays: its id, its cases, its batches.
        """
        with transaction(self._connection):
            cursor = self._connection.execute(
                "update api_client set key_hash = ? where label = ? and disabled_at is null",
                [new_hash, label],
            )
        return cursor.rowcount > 0

    def disable_client(self, label: str, *, now: datetime) -> bool:
        """Disable a client for good; False if there is none of that label."""
        with transaction(self._connection):
            cursor = self._connection.execute(
                "update api_client set disabled_at = coalesce(disabled_at, ?) where label = ?",
                [as_text(now), label],
            )
        return cursor.rowcount > 0

    def _insert(self, table: str, row: Any) -> None:
        names = [field.name for field in fields(row) if field.name != "seq"]
        self._connection.execute(
            f"insert into {table} ({', '.join(names)}) values ({', '.join('?' for _ in names)})",
            [_stored(getattr(row, name)) for name in names],
        )

    def _one(self, row_type: type[Row], where: str, values: list[Any]) -> Row | None:
        found = self._all(row_type, where, values)
        return found[0] if found else None

    def _all(self, row_type: type[Row], where: str, values: list[Any]) -> list[Row]:
        rows = self._connection.execute(f"select * from {where}", values)
        return [_read(row_type, row) for row in rows]


def key_hash(key: str) -> str:
    """What is stored of an API key; the key has 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


def _under_key(table: str, client: str, key: str, body_hash: str | None) -> tuple[str, list[Any]]:
    where, values = f"{table} where client = ? and idempotency_key = ?", [client, key]
    if body_hash is not None:
        where, values = f"{where} and body_hash = ?", [*values, body_hash]
    # The public may use one key for many bodies.
    return f"{where} limit 1", values


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return as_text(value)
    if isinstance(value, Mapping | tuple):
        return json.dumps(value, ensure_ascii=False)
    return value


_INSTANTS = {
    "received_at",
    "created_at",
    "promised_due_at",
    "event_at",
    "disabled_at",
}
_OBJECTS = {"answers", "contacts", "promise"}


def _read(row_type: type[Row], row: sqlite3.Row) -> Row:
    values: dict[str, Any] = {}
    for field in fields(row_type):
        value = row[field.name]
        if value is not None and field.name in _INSTANTS:
            value = as_instant(value)
        elif field.name in _OBJECTS:
            value = json.loads(value)
        elif field.name in {"permissions", "sources"}:
            value = tuple(json.loads(value))
        elif field.name in {"is_flood", "is_test"}:
            value = bool(value)
        values[field.name] = value
    return row_type(**values)
