"""Landing of the service: batches that clients delivered by packet become batches of the ledger.

The inbox numbers what was accepted; the ledger alone knows how far it was drained, by the sequence
of a stream's batches. The batch id was told to the client when it was accepted, so a batch that was
begun and not finished is landed again as the same one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace

from connectors.databases.table_landing import drafted_batch, within_limit
from connectors.errors import InterfaceMismatch, RefusedDelivery
from connectors.inbox import Inbox
from connectors.inbox_landing import note_drained
from connectors.inbox_packets import DeliveredBatch
from connectors.landing import Delivery, Landing, delivery_of, quarantine_rows
from connectors.ledger_rows import Batch, Confirmation
from connectors.quarantining.kept_records import as_json
from connectors.schema_change import Header
from connectors.service_records import Records, agreed_columns, wrong_sums
from connectors.validation import Rejected, count_sums

INTERFACE = "service"
_AT_ONCE = 20


def land_service(landing: Landing) -> Iterator[Delivery]:
    """Land what clients delivered since the last drain; without an inbox there is nothing to do.

    Raises InterfaceMismatch if the inbox is not the one that was drained before.
    """
    source = landing.contract.source
    path = landing.home / landing.contract.interface.location
    for name in landing.contract.streams:
        for batch in _unconfirmed(landing, name):
            _confirm(landing, batch)
    if not path.exists():
        _require(landing, 0)
        for name in landing.contract.streams:
            note_drained(landing, name)
        return
    with Inbox(path) as inbox:
        _require(landing, inbox.packets.last_seq())
        for name in landing.contract.streams:
            while found := inbox.packets.batches_after(
                source, name, landing.ledger.last_sequence(source, name), _AT_ONCE
            ):
                for delivered in found:
                    yield _land(landing, delivered)
            note_drained(landing, name)


def _unconfirmed(landing: Landing, name: str) -> list[Batch]:
    """The last settled batch of a stream if its result was not noted: a landing died just then.

    Batches land in their order, so no other can be without.
    """
    source = landing.contract.source
    return landing.ledger.rows.select(
        Batch,
        "select * from batch where source = ? and stream = ? and sequence = ? and "
        "status <> 'announced' and batch_id not in "
        "(select batch_id from confirmation where confirmation.batch_id = batch.batch_id)",
        [source, name, landing.ledger.last_sequence(source, name)],
    )


def _require(landing: Landing, last_seq: int) -> None:
    """Refuse an inbox with fewer batches than were drained: new ones would pass unseen."""
    source = landing.contract.source
    drained = max(
        (landing.ledger.last_sequence(source, name) for name in landing.contract.streams),
        default=0,
    )
    if last_seq < drained:
        raise InterfaceMismatch(
            f"Landing source '{source}' was not started: the inbox "
            f"{landing.contract.interface.location} counts {last_seq} delivered batches, but "
            f"number {drained} was landed before; the file is gone or another one. Trying again "
            "helps once the inbox is restored from a backup."
        )


def _land(landing: Landing, delivered: DeliveredBatch) -> Delivery:
    stream = landing.contract.streams[delivered.stream]
    content = zlib.decompress(landing.pii.unseal(delivered.payload))
    # The contract may have gained columns since the packet was accepted.
    records = Records.from_bytes(content).with_columns(
        agreed_columns(landing.contract, delivered.stream)
    )
    records.lay_out(landing.connection)
    header = Header({}, {}, ())
    fault: RefusedDelivery | None = None
    try:
        header = records.header(landing.contract, delivered.stream)
    except RefusedDelivery as refused:
        fault = refused
    for finding in header.findings:
        landing.ledger.note_event(
            "dropped_column",
            source=delivered.source,
            stream=delivered.stream,
            file=delivered.batch_id,
            detail=finding.detail,
            now=landing.now,
        )
    records.type(
        landing.connection,
        landing.contract,
        delivered.stream,
        header.places,
        zone=landing.contract.zone or landing.zone,
    )
    batch, rejected = _drafted(landing, delivered, records)
    kept = {
        item.record_no: as_json(
            records.texts[item.record_no - 1],
            records.columns,
            op=records.operations[item.record_no - 1],
        )
        for item in rejected
    }
    try:
        if fault is not None:
            raise fault
        if not within_limit(stream, batch):
            reason = f"{batch.rejected} of {batch.rows} rows break the contract"
            raise RefusedDelivery("reject_limit", reason)
        wrong = wrong_sums(landing.connection, stream, delivered.sums)
        # A quarantined row whose amount cannot be read may explain a difference.
        if wrong and count_sums(landing.connection, stream.control.sums)[1]:
            raise RefusedDelivery("wrong_sum", f"declared and counted sums differ: {wrong}")
        batch = landing.land(batch, rejected, kept)
    except RefusedDelivery as refused:
        refusal = replace(batch, code=refused.code, reason=refused.reason)
        shown = [] if fault is not None else quarantine_rows(batch.batch_id, rejected)
        batch = landing.ledger.refuse(refusal, shown)
        landing.at("refused")
    _confirm(landing, batch)
    return delivery_of(batch)


def _drafted(
    landing: Landing, delivered: DeliveredBatch, records: Records
) -> tuple[Batch, list[Rejected]]:
    mapped = landing.contract.map is not None
    columns = records.columns if mapped else landing.contract.streams[delivered.stream].columns
    batch, rejected = drafted_batch(
        landing,
        delivered.stream,
        list(columns),
        batch_id=delivered.batch_id,
        interface=INTERFACE,
        place=delivered.client,
        content_sha256=delivered.content_sha256,
        rows=delivered.rows,
        sequence=delivered.seq,
    )
    sums, _ = count_sums(
        landing.connection, landing.contract.streams[delivered.stream].control.sums
    )
    declared = replace(
        batch,
        declared_rows=delivered.rows,
        declared_sums=dict(delivered.sums),
        sums=sums,
        # Batches of one drain are ordered by when each came, not by when they were drained.
        received_at=landing.arrival(delivered.stream, delivered.received_at),
    )
    return declared, rejected


def _confirm(landing: Landing, batch: Batch) -> None:
    """Note that the client can see the result, which `list_deliveries` tells."""
    result = "refused" if batch.status == "refused" else "partial" if batch.rejected else "ok"
    landing.ledger.confirm(
        Confirmation(batch.batch_id, INTERFACE, batch.place, result, landing.now)
    )
