"""The ledger as it was: batches, events and reads of an instant, from what it keeps of them.

A batch was current from `loaded_at` until `superseded_at`. What was replayed or landed again, with
the arrival of what it replaces, is known from the moment it was loaded. The ledger keeps no refusal
that ended well later: such a delivery counts as announced until then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from connectors.ledger_rows import Batch, ExchangeEvent
from pipelines.build_input import Exchange

_EXPIRED = "expired"
_RELANDED = "relanded"
Stream = tuple[str, str]


def exchange_then(
    exchange: Exchange, at: datetime, listed: Collection[str] | None = None
) -> Exchange:
    """The exchange as the ledger told it at `at` (aware).

    With `listed`, the batches that a build froze then, exactly those are loaded: whatever the clock
    says of a batch that came or went in the same moment.
    """
    batches = (batch_then(batch, at, listed) for batch in exchange.batches)
    events = (event_then(event, at) for event in exchange.events)
    return Exchange(
        tuple(batch for batch in batches if batch is not None),
        tuple(event for event in events if event is not None),
    )


def batch_then(batch: Batch, at: datetime, listed: Collection[str] | None = None) -> Batch | None:
    """A batch as it was at `at`; None if nothing was known of it."""
    if listed is not None and batch.batch_id in listed:
        return _current(batch)
    if batch.loaded_at is not None and batch.loaded_at <= at:
        if batch.superseded_at is None or batch.superseded_at > at:
            return _current(batch) if listed is None else None
        if batch.code == _EXPIRED and (batch.expired_at is None or batch.expired_at > at):
            # What its code was before is not kept.
            return replace(batch, code=None, reason=None, expired_at=None)
        return batch
    arrived_later = batch.replays is not None or batch.code == _RELANDED or batch.received_at > at
    if arrived_later:
        return None
    if batch.loaded_at is None:
        return batch
    return replace(
        batch,
        status="announced",
        code=None,
        reason=None,
        rows_loaded=0,
        loaded_at=None,
        superseded_at=None,
        expired_at=None,
    )


def _current(batch: Batch) -> Batch:
    """A batch before it was superseded or expired."""
    if batch.code == _EXPIRED:
        batch = replace(batch, code=None, reason=None)
    return replace(batch, status="loaded", superseded_at=None, expired_at=None)


def event_then(event: ExchangeEvent, at: datetime) -> ExchangeEvent | None:
    """An exchange event as it was at `at`; None before it was noted."""
    if event.at > at:
        return None
    settled = event.resolved_at is not None and event.resolved_at <= at
    return event if settled else replace(event, resolved_at=None)


def reads_then(
    reads: Mapping[Stream, datetime], batches: Iterable[Batch], at: datetime
) -> dict[Stream, datetime]:
    """When each table was last read to its end by `at`.

    Of a table that was read again since, the ledger has forgotten when; its last batch of `batches`
    (those loaded then) stands for it.
    """
    landed: dict[Stream, datetime] = {}
    for batch in batches:
        if batch.loaded_at is not None:
            stream = (batch.source, batch.stream)
            landed[stream] = max(landed.get(stream, batch.loaded_at), batch.loaded_at)
    then = {stream: read for stream, read in reads.items() if read <= at}
    return then | {
        stream: landed[stream] for stream, read in reads.items() if read > at and stream in landed
    }


def missing_files(
    batches: Sequence[Batch], home: Path, every: Iterable[Batch]
) -> list[tuple[Batch, str]]:
    """Batches whose rows cannot be read any more, each with the file and why.

    `every` are all batches of the ledger, of which one may have been landed in place of another.
    """
    again = {one.supersedes: one.batch_id for one in every if one.code == _RELANDED}
    found = []
    for batch in batches:
        if batch.path is not None and (home / batch.path).is_file():
            continue
        file = batch.path or (
            f"raw/{batch.source}/{batch.stream}/{batch.business_date}/{batch.batch_id}.parquet"
        )
        if batch.path is not None:
            why = "is gone; trying again helps once it is restored from a backup"
        elif batch.batch_id in again:
            why = f"was lost and landed again, by the present contract, as {again[batch.batch_id]}"
        else:
            why = "is gone by retention ('keep' in the contract)"
        found.append((batch, f"{file} ({batch.place}) {why}"))
    return found
