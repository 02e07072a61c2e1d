"""Exchange by packets: batches that clients deliver, and exports of ours that they fetch."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from connectors.codes import sentence
from connectors.contract import Contract
from connectors.errors import ConnectorError
from connectors.exporting.confirmation import Answer, judge
from connectors.exporting.ledger import AWAITED
from connectors.inbox import ApiClient, Inbox
from connectors.inbox_packets import DeliveredBatch
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch, Export
from connectors.service.operation import MOST_LISTED, MOST_RECORDS
from connectors.service.packet import Packet, Params
from connectors.service.refusal import PacketRefused
from connectors.service_records import Records, agreed_columns, trial_faults

_MOST_SHOWN = 100
_NUMBER = re.compile(r"(?=.{1,40}\Z)-?[0-9]+(\.[0-9]+)?")
_RESULTS = ("ok", "partial", "refused")
_SETTLED = {"loaded": "loaded", "superseded": "loaded", "refused": "refused"}


class Exports(Protocol):
    """Our exports as clients of the service see them, each its own."""

    def deliveries(self, client: str, limit: int) -> list[Export]:
        """The last exports of a client by its label, oldest first."""

    def delivery(self, client: str, export_id: str) -> Export | None:
        """One of a client's exports; None if it has no such export."""

    def fetch(self, made: Export, offset: int, limit: int) -> list[dict[str, Any]] | None:
        """Rows of an export from an offset; None before it is ready."""

    def confirm(
        self, client: str, export_id: str, answer: Answer, *, now: datetime
    ) -> Export | None:
        """Note a client's answer; a second one to a settled export changes nothing."""


@dataclass(frozen=True)
class Exchange:
    """What exchange needs, passed in.

    `contracts` are the sources that deliver by the service, `seal` encrypts what the inbox keeps.
    """

    contracts: Mapping[str, Contract]
    exports: Exports
    open_ledger: Callable[[], AbstractContextManager[Ledger]]
    seal: Callable[[bytes, datetime], bytes]
    zone: str

    def checked_batch(
        self, packet: Packet, client: ApiClient, *, now: datetime, trial: bool
    ) -> DeliveredBatch:
        """The batch of a packet, ready to be stored; raises PacketRefused.

        With `trial` its records are also validated by their contract as landing will do it.
        """
        params = Params(packet.params)
        params.unknown(("source", "stream", "rows", "sums", "records"))
        contract, stream = self._agreed(params, client)
        rows = params.integer("rows", 0, MOST_RECORDS, required=True)
        sums = self._sums(params, contract, stream)
        records = _records(params, packet.params.get("records"))
        if rows is not None and records is not None and rows != len(records):
            params.fault("rows", "count", count=len(records))
        params.require()
        assert contract is not None and stream is not None and records is not None
        found = Records.of(records, agreed_columns(contract, stream))
        if trial:
            faults = trial_faults(found, contract, stream, sums, zone=contract.zone or self.zone)
            if faults:
                raise PacketRefused("invalid", faults=faults[:_MOST_SHOWN])
        content = found.to_bytes()
        return DeliveredBatch(
            batch_id=batch_id(contract.source, stream, client.client_id, packet.packet_id),
            client=client.client_id,
            source=contract.source,
            stream=stream,
            rows=len(records),
            sums=sums,
            content_sha256=hashlib.sha256(content).hexdigest(),
            received_at=now,
            payload=self.seal(zlib.compress(content, 6), now),
        )

    def _agreed(self, params: Params, client: ApiClient) -> tuple[Contract | None, str | None]:
        """The contract and stream named; a source of another client is not known to this one."""
        known = [name for name in self.contracts if name in client.sources]
        source = params.one_of("source", known, required=True)
        contract = self.contracts.get(source or "")
        streams = list(contract.streams) if contract is not None else []
        if contract is None:
            params.text("stream", 200, required=True)
            return None, None
        return contract, params.one_of("stream", streams, required=True)

    def _sums(
        self, params: Params, contract: Contract | None, stream: str | None
    ) -> dict[str, str]:
        """The declared control sums as decimal texts, every one that the contract asks for."""
        given = Params(params.part("sums"), "sums.")
        wanted = (
            contract.streams[stream].control.sums
            if contract is not None and stream is not None
            else ()
        )
        found = {}
        if contract is not None and stream is not None:
            given.unknown(wanted)
        for name in wanted:
            value = given.data.get(name)
            if value is None:
                given.fault(name, "required")
            elif isinstance(value, bool) or not _is_number(value):
                given.fault(name, "number")
            else:
                found[name] = format(Decimal(str(value)), "f")
        params.faults.extend(given.faults)
        return found

    def confirm(self, packet: Packet, client: ApiClient, *, now: datetime, trial: bool) -> Any:
        """Note what a client says about one of our exports; raises PacketRefused."""
        params = Params(packet.params)
        params.unknown(("export_id", "result", "rows", "sums", "sha256", "reason"))
        export_id = params.text("export_id", 200, required=True)
        result = params.one_of("result", _RESULTS, required=True)
        rows = params.integer("rows", 0, 10**12)
        sha256 = params.text("sha256", 64)
        reason = params.text("reason", 500)
        given = params.part("sums")
        sums = {name: str(value) for name, value in given.items() if _is_number(value)}
        if len(sums) < len(given):
            params.fault("sums", "number")
        params.require()
        assert export_id is not None and result is not None
        answer = Answer(result=result, rows=rows, sums=sums, sha256=sha256, reason=reason)
        made = (
            self.exports.delivery(client.label, export_id)
            if trial
            else self.exports.confirm(client.label, export_id, answer, now=now)
        )
        if made is None:
            raise PacketRefused("not_found")
        if made.status != AWAITED and made.status != judge(made, answer).status:
            raise PacketRefused("settled")
        return _export(made)

    def fetch(self, packet: Packet, client: ApiClient) -> Any:
        """The rows of one of our exports, in parts if asked; raises PacketRefused."""
        params = Params(packet.params)
        params.unknown(("export_id", "offset", "limit"))
        export_id = params.text("export_id", 200, required=True)
        offset = params.integer("offset", 0, 1_000_000_000) or 0
        limit = params.integer("limit", 1, MOST_RECORDS) or MOST_RECORDS
        params.require()
        assert export_id is not None
        made = self.exports.delivery(client.label, export_id)
        try:
            rows = self.exports.fetch(made, offset, limit) if made is not None else None
        except ConnectorError as error:
            raise PacketRefused("unavailable") from error
        if made is None or rows is None:
            raise PacketRefused("not_found")
        return {**_export(made), "offset": offset, "records": rows}

    def deliveries(self, packet: Packet, client: ApiClient, inbox: Inbox) -> Any:
        """What the client delivered and what became of it, and our exports for it.

        Batches are told to a key that delivers, exports to one that confirms.
        """
        params = Params(packet.params)
        params.unknown(("batch_id", "limit"))
        wanted = params.text("batch_id", 200)
        limit = params.integer("limit", 1, MOST_LISTED) or MOST_LISTED
        params.require()
        sources = client.sources if "deliver" in client.permissions else ()
        if wanted is not None:
            return {"deliveries": [self._told(wanted, sources, inbox)], "exports": []}
        exports: list[Export] = []
        if "confirm" in client.permissions:
            exports = self.exports.deliveries(client.label, limit)
        return {
            "deliveries": self._last(sources, limit, inbox) if sources else [],
            "exports": [_export(one) for one in exports],
        }

    def _told(self, wanted: str, sources: Sequence[str], inbox: Inbox) -> dict[str, Any]:
        """One batch with what is wrong with its records; raises PacketRefused."""
        with self.open_ledger() as ledger:
            batch = ledger.batch(wanted)
            waiting = inbox.packets.batch(wanted) if batch is None else None
            found = batch or waiting
            if found is None or found.source not in sources:
                raise PacketRefused("not_found")
            faults = [
                {
                    "record": row.record_no,
                    "column": row.column_name,
                    "code": row.code,
                    "reason": row.reason,
                    "value": row.masked_value,
                }
                for row in ledger.quarantine(batch_id=wanted)[:_MOST_SHOWN]
            ]
        told = _batch(batch) if batch is not None else _pending(waiting) if waiting else {}
        return {**told, "faults": faults}

    def _last(self, sources: Sequence[str], limit: int, inbox: Inbox) -> list[dict[str, Any]]:
        """The last batches: those that wait first, then those of the ledger, newest first."""
        received = inbox.packets.received(sources, limit)
        marks = ", ".join("?" for _ in sources)
        with self.open_ledger() as ledger:
            settled = ledger.rows.select(
                Batch,
                f"select * from batch where source in ({marks}) "
                "order by received_at desc, sequence desc limit ?",
                [*sources, limit],
            )
            known = {
                str(row[0])
                for row in ledger.rows.execute(
                    "select batch_id from batch where batch_id in "
                    f"({', '.join('?' for _ in received)})",
                    [one.batch_id for one in received],
                )
            }
        pending = [_pending(one) for one in received if one.batch_id not in known]
        return [*pending, *(_batch(one) for one in settled)][:limit]


def batch_id(source: str, stream: str, client: str, packet_id: str) -> str:
    """The id of a batch: the same for the same client and packet, whenever it is asked."""
    digest = hashlib.sha256(f"{client}\0{packet_id}".encode()).hexdigest()[:20]
    return f"{source}-{stream}-{digest}"


def _records(params: Params, given: Any) -> Sequence[Mapping[str, Any]] | None:
    if given is None:
        params.fault("records", "required")
        return None
    if not isinstance(given, list) or len(given) > MOST_RECORDS:
        params.fault("records", "list", most=MOST_RECORDS)
        return None
    for number, record in enumerate(given, 1):
        if not isinstance(record, dict) or any(
            isinstance(value, dict | list) for value in record.values()
        ):
            params.fault("records", "record", number=number)
    return given


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return False
    return _NUMBER.fullmatch(str(value)) is not None


def _pending(batch: DeliveredBatch) -> dict[str, Any]:
    return {
        "batch_id": batch.batch_id,
        "source": batch.source,
        "stream": batch.stream,
        "received_at": batch.received_at.isoformat(),
        "status": "accepted",
        "rows": batch.rows,
        "loaded": None,
        "rejected": None,
        "code": None,
        "message": None,
        "reason": None,
    }


def _batch(batch: Batch) -> dict[str, Any]:
    code = batch.code
    return {
        "batch_id": batch.batch_id,
        "source": batch.source,
        "stream": batch.stream,
        "received_at": batch.received_at.isoformat(),
        "status": _SETTLED.get(batch.status, "accepted"),
        "rows": batch.rows,
        "loaded": batch.rows_loaded,
        "rejected": batch.rejected,
        "code": code,
        "message": _sentences(code),
        "reason": batch.reason,
    }


def _sentences(code: str | None) -> dict[str, str] | None:
    return {key: sentence(code, key) for key in ("zh", "en")} if code else None


def _export(made: Export) -> dict[str, Any]:
    return {
        "export_id": made.export_id,
        "export": made.export,
        "business_date": made.business_date.isoformat(),
        "sequence": made.sequence,
        "made_of": made.snapshot,
        "rows": made.rows,
        "sums": dict(made.sums),
        "sha256": made.sha256,
        "status": made.status,
        "code": made.code,
        "message": _sentences(made.code),
        "reason": made.reason,
        "due_at": made.due_at.isoformat(),
    }
