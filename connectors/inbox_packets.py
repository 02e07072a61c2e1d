"""Packets of the service in the inbox: what was answered to a client's id, and batches to land.

A stored answer is repeated byte for byte. The records of a batch are sealed with the key of the PII
store, since they may hold personal values; `seq` numbers batches in the order of their commits.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connectors.sqlite_store import as_instant, as_text


@dataclass(frozen=True)
class AnsweredPacket:
    """One writing packet that was done, and the answer its client got.

    `content_hash` tells whether a packet of the same id says the same; `status` is HTTP's. The
    answer is sealed, since it may tell the secret of a case.
    """

    client: str
    packet_id: str
    operation: str
    content_hash: str
    received_at: datetime
    status: int
    answer: bytes = field(repr=False)


@dataclass(frozen=True)
class DeliveredBatch:
    """One batch of records that a client delivered; `payload` is compressed and sealed."""

    batch_id: str
    client: str
    source: str
    stream: str
    rows: int
    sums: Mapping[str, str]
    content_sha256: str
    received_at: datetime
    payload: bytes = field(repr=False)
    seq: int = 0


class PacketBox:
    """The packets of an open inbox (`Inbox.packets`)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def answered(self, client: str, packet_id: str) -> AnsweredPacket | None:
        """Return what was answered to a client's packet, or None."""
        row = self._connection.execute(
            "select * from packet where client = ? and packet_id = ?", [client, packet_id]
        ).fetchone()
        if row is None:
            return None
        values = dict(row)
        return AnsweredPacket(**{**values, "received_at": as_instant(values["received_at"])})

    def add_answer(self, packet: AnsweredPacket) -> None:
        """Store an answer; call inside `Inbox.writing()`."""
        self._connection.execute(
            "insert into packet (client, packet_id, operation, content_hash, received_at, status, "
            "answer) values (?,?,?,?,?,?,?)",
            [
                packet.client,
                packet.packet_id,
                packet.operation,
                packet.content_hash,
                as_text(packet.received_at),
                packet.status,
                packet.answer,
            ],
        )

    def add_batch(self, batch: DeliveredBatch) -> None:
        """Store a delivered batch; call inside `Inbox.writing()`."""
        self._connection.execute(
            "insert into delivered_batch (batch_id, client, source, stream, rows, sums, "
            "content_sha256, received_at, payload) values (?,?,?,?,?,?,?,?,?)",
            [
                batch.batch_id,
                batch.client,
                batch.source,
                batch.stream,
                batch.rows,
                json.dumps(dict(batch.sums)),
                batch.content_sha256,
                as_text(batch.received_at),
                batch.payload,
            ],
        )

    def batches_after(self, source: str, stream: str, seq: int, limit: int) -> list[DeliveredBatch]:
        """List up to `limit` batches of a stream with a higher number, in their order."""
        rows = self._connection.execute(
            "select * from delivered_batch where source = ? and stream = ? and seq > ? "
            "order by seq limit ?",
            [source, stream, seq, limit],
        )
        return [_batch(row) for row in rows]

    def received(self, sources: Sequence[str], limit: int) -> list[DeliveredBatch]:
        """List the last `limit` batches of the sources without their payload, newest first."""
        marks = ", ".join("?" for _ in sources)
        rows = self._connection.execute(
            "select seq, batch_id, client, source, stream, rows, sums, content_sha256, "
            f"received_at, x'' as payload from delivered_batch where source in ({marks}) "
            "order by seq desc limit ?",
            [*sources, limit],
        )
        return [_batch(row) for row in rows]

    def batch(self, batch_id: str) -> DeliveredBatch | None:
        """One batch without its payload, or None."""
        rows = self._connection.execute(
            "select seq, batch_id, client, source, stream, rows, sums, content_sha256, "
            "received_at, x'' as payload from delivered_batch where batch_id = ?",
            [batch_id],
        )
        return next((_batch(row) for row in rows), None)

    def empty_payloads(
        self, source: str, stream: str, last_seq: int, *, before: datetime, dry_run: bool
    ) -> int:
        """Give up the records of settled batches (up to `last_seq`) that came before a moment.

        Returns how many batches lose them, with `dry_run` would; call inside `Inbox.writing()`.
        """
        return self._change(
            "update delivered_batch set payload = x''",
            "delivered_batch where source = ? and stream = ? and seq <= ? and received_at < ? "
            "and length(payload) > 0",
            [source, stream, last_seq, as_text(before)],
            dry_run=dry_run,
        )

    def forget_answers(self, *, before: datetime, dry_run: bool) -> int:
        """Forget answers older than a moment, and return how many; call inside `Inbox.writing()`.

        Those of deliveries stay: they are small, and a batch that comes twice must be known.
        """
        return self._change(
            "delete from packet",
            "packet where received_at < ? and operation <> 'deliver_batch'",
            [as_text(before)],
            dry_run=dry_run,
        )

    def _change(self, change: str, which: str, values: Sequence[object], *, dry_run: bool) -> int:
        if dry_run:
            row = self._connection.execute(f"select count(*) from {which}", values).fetchone()
            return int(row[0])
        _, _, condition = which.partition(" ")
        return self._connection.execute(f"{change} {condition}", values).rowcount

    def last_seq(self) -> int:
        """The highest number ever given to a batch; 0 for none."""
        row = self._connection.execute(
            "select seq from sqlite_sequence where name = 'delivered_batch'"
        ).fetchone()
        return int(row[0]) if row else 0


def _batch(row: sqlite3.Row) -> DeliveredBatch:
    values = dict(row)
    values["sums"] = json.loads(values["sums"])
    values["received_at"] = as_instant(values["received_at"])
    return DeliveredBatch(**values)
