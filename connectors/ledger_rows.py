"""Rows of the ledger as frozen values; instants are aware UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True)
class Batch:
    """One delivery of one stream.

    `status` is announced, loaded, refused or superseded. `place` is the file's name or the table;
    `path` the Parquet file relative to the home. Sums are decimal texts by column. `replays` is the
    batch whose quarantined records this one holds. `sent_at` is when its sender says it sent it.
    `superseded_at` is when it stopped being current, `expired_at` when retention gave it up; of
    what happened before the ledger kept them they are derived from the batches that came after.
    """

    batch_id: str
    source: str
    stream: str
    branch: str
    business_date: date
    covers_from: date
    sequence: int | None
    interface: str
    place: str
    content_sha256: str
    log_sha256: str
    declared_rows: int | None
    declared_sums: Mapping[str, str]
    rows: int
    rows_loaded: int
    rejected: int
    sums: Mapping[str, str]
    status: str
    code: str | None
    reason: str | None
    supersedes: str | None
    path: str | None
    received_at: datetime
    loaded_at: datetime | None
    replays: str | None = None
    sent_at: datetime | None = None
    superseded_at: datetime | None = None
    expired_at: datetime | None = None


@dataclass(frozen=True)
class BatchKey:
    """What names a batch, for those who need no more of it."""

    batch_id: str
    source: str
    stream: str


@dataclass(frozen=True)
class ExchangeEvent:
    """Something about an exchange that has no batch of its own, such as a missing log."""

    event_id: int
    code: str
    source: str
    stream: str
    branch: str
    business_date: date | None
    batch_id: str | None
    file: str | None
    detail: str
    at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True)
class QuarantineRow:
    """One rejected record: where it stands and why; its bytes lie encrypted in the PII store.

    `note` is the batch that a replayed record went into, or why a discarded one was; `settled_at`
    when it left the state `waiting`.
    """

    batch_id: str
    record_no: int
    line: int | None
    byte_offset: int | None
    column_name: str | None
    code: str
    reason: str
    masked_value: str | None
    state: str = "waiting"
    note: str | None = None
    settled_at: datetime | None = None


@dataclass(frozen=True)
class AllowedShrink:
    """A full delivery with fewer rows than its contract lets pass, allowed down to `rows`."""

    source: str
    stream: str
    branch: str
    rows: int
    allowed_by: str
    allowed_at: datetime


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check of one build."""

    build_id: str
    name: str
    status: str
    severity: str
    detail: str
    at: datetime


@dataclass(frozen=True)
class SnapshotLogRow:
    """One published snapshot; kept for ever."""

    tag: str
    build_id: str
    published_at: datetime
    batches: int
    code_version: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Confirmation:
    """What the source was told about a batch, once everything about it is done."""

    batch_id: str
    kind: str
    place: str
    result: str
    at: datetime


@dataclass(frozen=True)
class Export:
    """One delivery of ours to a partner.

    `export` names its declaration, `place` the file or table it went to. `status` is announced
    (made, not yet all there), delivered, confirmed, refused or disagrees (a confirmation that does
    not fit); `due_at` is when the partner's confirmation is late.
    """

    export_id: str
    export: str
    partner: str
    interface: str
    place: str
    business_date: date
    sequence: int
    snapshot: str
    rows: int
    bytes: int
    sha256: str
    sums: Mapping[str, str]
    status: str
    code: str | None
    reason: str | None
    announced_at: datetime
    delivered_at: datetime | None
    due_at: datetime
    confirmed_at: datetime | None
