"""Landing of the inbox: ranges of its numbered rows become batches.

The ledger alone knows how far the inbox was drained: a batch's sequence is the last number it
holds. A range that was announced and not finished is landed again as the same batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.databases.table_landing import typed_batch
from connectors.errors import InterfaceMismatch
from connectors.formats.delimited import add_records, create_record_table
from connectors.inbox import Inbox, InboxEvent, Submission
from connectors.landing import Delivery, Landing, delivery_of
from connectors.quarantining.kept_records import as_json

ROWS_PER_BATCH = 5_000
_NOTE_EVERY = timedelta(minutes=1)
_TABLES = {"cases": "submission", "events": "event"}


def land_inbox(landing: Landing, *, rows_per_batch: int = ROWS_PER_BATCH) -> Iterator[Delivery]:
    """Land what came in since the last drain; without an inbox there is nothing to do.

    Cases go before events, so that an event never lands long before its case. Raises
    InterfaceMismatch if the inbox is not the one that was drained before.
    """
    path = landing.home / landing.contract.interface.location
    streams = list(landing.contract.streams)
    unknown = sorted(set(streams) - set(_TABLES))
    if unknown:
        raise InterfaceMismatch(
            f"The contract of source '{landing.contract.source}' names streams that an inbox does "
            f"not have: {', '.join(unknown)}. Trying again does not help; it has "
            f"{' and '.join(_TABLES)}."
        )
    if not path.exists():
        for name in streams:
            _require(landing, name, 0)
            note_drained(landing, name)
        return
    with Inbox(path) as inbox:
        for name in streams:
            _require(landing, name, inbox.last_seq(_TABLES[name]))
            while (rows := _next_rows(landing, inbox, name, rows_per_batch)) is not None:
                yield _land_rows(landing, name, rows)
            note_drained(landing, name)


def _require(landing: Landing, name: str, last_seq: int) -> None:
    """Refuse an inbox with fewer rows than were drained: new ones would pass unseen."""
    source = landing.contract.source
    left = landing.ledger.announced_sequence(source, name)
    drained = max(landing.ledger.last_sequence(source, name), left or 0)
    if last_seq < drained:
        raise InterfaceMismatch(
            f"Landing source '{landing.contract.source}' was not started: the inbox "
            f"{landing.contract.interface.location} counts {last_seq} rows of stream '{name}', but "
            f"{drained} were landed before; the file is gone or another one. Trying again helps "
            "once the inbox is restored from a backup."
        )


def note_drained(landing: Landing, name: str) -> None:
    """Note that a stream was drained to its end, at most once a minute and on each new day."""
    # A drain every few seconds need not write the ledger each time to say that nothing came.
    source = landing.contract.source
    last = landing.ledger.last_reads().get((source, name))
    if last is not None and last <= landing.now < last + _NOTE_EVERY:
        zone = ZoneInfo(landing.zone)
        if last.astimezone(zone).date() == landing.now.astimezone(zone).date():
            return
    landing.ledger.note_read(source, name, now=landing.now)


def _next_rows(
    landing: Landing, inbox: Inbox, name: str, limit: int
) -> Sequence[Submission] | Sequence[InboxEvent] | None:
    """The rows of the range left behind, else those above the last one that was landed."""
    source = landing.contract.source
    first = 1 + landing.ledger.last_sequence(source, name)
    left = landing.ledger.announced_sequence(source, name)
    last = left if left is not None else inbox.last_seq(_TABLES[name])
    # A range left behind is whole, whatever the limit is now.
    most = last if left is not None else limit
    rows = (
        inbox.submissions_between(first, last, most)
        if name == "cases"
        else inbox.events_between(first, last, most)
    )
    return rows or None


def _land_rows(
    landing: Landing, name: str, rows: Sequence[Submission] | Sequence[InboxEvent]
) -> Delivery:
    source = landing.contract.source
    stream = landing.contract.streams[name]
    columns = list(stream.columns)
    describe: Callable[[Any], dict[str, str | None]] = (
        _case_texts if name == "cases" else _event_texts
    )
    texts = [[described.get(column) for column in columns] for described in map(describe, rows)]
    numbers = [row.seq for row in rows]
    count = len(rows)
    create_record_table(landing.connection)
    add_records(
        landing.connection,
        [numbers, numbers, [None] * count, [None] * count, ["I"] * count, texts, [None] * count],
    )
    first, last = numbers[0], numbers[-1]
    content = json.dumps(texts, ensure_ascii=False).encode()
    batch, rejected = typed_batch(
        landing,
        name,
        columns,
        batch_id=f"{source}-{name}-{first}-{last}",
        interface="inbox",
        place=f"{_TABLES[name]} {first}..{last}",
        content_sha256=hashlib.sha256(content).hexdigest(),
        rows=count,
        sequence=last,
    )
    wrong = {item.record_no for item in rejected}
    records = {
        number: as_json(values, columns)
        for number, values in zip(numbers, texts, strict=True)
        if number in wrong
    }
    return delivery_of(landing.land(batch, rejected, records))


def _case_texts(row: Submission) -> dict[str, str | None]:
    return {
        "case_no": row.case_no,
        "source_seq": str(row.seq),
        "received_at": _instant(row.received_at),
        "created_at": _instant(row.created_at),
        "created_precision": row.created_precision,
        "kind": row.kind,
        "category_path": row.category_path,
        "channel": row.channel,
        "org_unit_id": row.org_unit_id,
        "reporter_key": row.reporter_key,
        "content": row.text,
        "answers": json.dumps(row.answers, ensure_ascii=False) if row.answers else None,
        "language": row.language,
        "entry_point": row.entry_point,
        "form": row.form,
        "recorded_by": None if row.client == "public" else row.client,
        "promised_due_at": _instant(row.promised_due_at),
        "promised_policy": row.promise.get("policy_id"),
        "is_flood": "true" if row.is_flood else "false",
    }


def _event_texts(row: InboxEvent) -> dict[str, str | None]:
    return {
        "event_no": row.event_no,
        "case_no": row.case_no,
        "source_seq": str(row.seq),
        "received_at": _instant(row.received_at),
        "event_type": row.event_type,
        "event_at": _instant(row.event_at),
        "actor_id": row.actor_id,
        "actor_role": row.actor_role,
        "unit_id": row.unit_id,
        "content": row.text,
    }


def _instant(value: datetime | None) -> str | None:
    if value is None:
        return None
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", timespec="microseconds")
