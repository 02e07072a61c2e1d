"""The desk of the service: what becomes of one packet of one client.

A writing packet is done once per client and id. Its answer is stored with the id in one transaction
before it is given, and repeated byte for byte; a packet that was refused changed nothing, so its id
stays free.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.errors import InboxUnavailable
from connectors.inbox import ApiClient, Inbox
from connectors.inbox_packets import AnsweredPacket, DeliveredBatch
from connectors.intake.case_number import normalise_case_number
from connectors.intake.desk import Desk
from connectors.intake.limiter import Limiter
from connectors.intake.refusal import Refusal
from connectors.intake.request import ClientLeft
from connectors.intake.status import CaseStatus
from connectors.intake.submission import clean
from connectors.service.answer_stream import AnswerStream
from connectors.service.exchange import Exchange
from connectors.service.operation import OPERATIONS, STREAMED, Operation
from connectors.service.packet import Packet, Params
from connectors.service.reading import Reader, refused
from connectors.service.refusal import PacketRefused, field_fault, load_codes
from connectors.service.room import Room

_OF_INTAKE = {
    "invalid": "invalid",
    "conflict": "id_reused",
    "illegal": "illegal",
    "not_found": "not_found",
    "too_many": "too_many",
}
STREAMS_AT_ONCE = 4
"""The answers that may be read in parts at a time; as many threads read them."""

_LOOK_SECONDS = 0.25
"""How often it is looked whether a caller still waits."""

_log = logging.getLogger("huiyin.service")


@dataclass
class ServiceLimits:
    """Bounds of behaviour: packets per client and minute, wrong keys per address, and how much
    may be under way at once.

    Of a client's questions `questions_at_once` are computed at a time and the others wait, so that
    one client does not hold up all. A caller that takes no part of an answer for `reading_seconds`
    is left.
    """

    packets: Limiter = field(default_factory=lambda: Limiter(1_200, 60))
    wrong_keys: Limiter = field(default_factory=lambda: Limiter(50, 600))
    under_way: Room = field(default_factory=lambda: Room(8, 32))
    streams: Room = field(default_factory=lambda: Room(2, STREAMS_AT_ONCE))
    questions_at_once: int = 2
    reading_seconds: float = 60


@dataclass(frozen=True)
class Answer:
    """What is sent back: the HTTP status and the body as it is."""

    status: int
    body: bytes


@dataclass
class _Turn:
    """Whose turn it is among packets of one client and id."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    takers: int = 0


@dataclass(frozen=True)
class ServiceDesk:
    """Everything the service needs, passed in by the composition.

    `intake` takes submissions and events by its own rules; `queries` runs what reads the warehouse,
    `streams` what reads it in parts, so that nobody's question waits behind a long answer; `key`
    is the one from which hashes of contents are made; `seal` and `unseal` encrypt answers at rest,
    since they may tell the secret of a case.
    """

    intake: Desk
    exchange: Exchange
    reader: Reader
    queries: Executor
    streams: Executor
    key: bytes
    seal: Callable[[bytes, datetime], bytes]
    unseal: Callable[[bytes], bytes]
    now: Callable[[], datetime]
    limits: ServiceLimits = field(default_factory=ServiceLimits)
    _readers: threading.local = field(default_factory=threading.local)
    _turns: dict[tuple[str, str], _Turn] = field(default_factory=dict)
    _shares: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    async def handle(
        self, packet: Packet, client: ApiClient, has_left: Callable[[], Awaitable[bool]]
    ) -> Answer:
        """Do what a packet asks, or repeat what was answered; raises PacketRefused.

        A question whose caller has left before its turn raises ClientLeft.
        """
        operation = OPERATIONS.get(packet.operation)
        if operation is None:
            raise PacketRefused("unknown_operation")
        if not operation.is_open_to(client.permissions):
            raise PacketRefused("forbidden")
        if not operation.writes:
            data, snapshot = await self._read(operation, packet, client, has_left)
            return _answer(packet, "ok", data, snapshot)
        if packet.is_test or client.is_test:
            return _answer(packet, "tested", await self._try(operation, packet, client), None)
        async with self._one_at_a_time(client, packet):
            return await self._once(operation, packet, client)

    @asynccontextmanager
    async def _one_at_a_time(self, client: ApiClient, packet: Packet) -> AsyncIterator[None]:
        """Hold a packet back while another of its client and id is done: one of them counts."""
        id_ = (client.client_id, packet.packet_id)
        turn = self._turns.setdefault(id_, _Turn())
        turn.takers += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.takers -= 1
            if not turn.takers:
                del self._turns[id_]

    async def _once(self, operation: Operation, packet: Packet, client: ApiClient) -> Answer:
        content_hash = packet.content_hash(self.key)
        known = await asyncio.to_thread(
            lambda: self._inbox().packets.answered(client.client_id, packet.packet_id)
        )
        if known is not None:
            return self._repeated(known, content_hash)
        now = self.now()
        batch: DeliveredBatch | None = None
        if operation.name == "deliver_batch":
            batch = await asyncio.to_thread(
                self.exchange.checked_batch, packet, client, now=now, trial=False
            )
            data = {"batch_id": batch.batch_id, "rows": batch.rows, "status": "accepted"}
        else:
            data = await self._write(operation, packet, client, self.intake, trial=False)
        answer = _answer(packet, "accepted", data, None)
        stored = AnsweredPacket(
            client=client.client_id,
            packet_id=packet.packet_id,
            operation=operation.name,
            content_hash=content_hash,
            received_at=now,
            status=answer.status,
            answer=self.seal(answer.body, now),
        )
        return await self._stored(stored, batch, now)

    async def _stored(
        self, packet: AnsweredPacket, batch: DeliveredBatch | None, now: datetime
    ) -> Answer:
        """Keep an answer with what it promises; another one that was quicker is repeated."""

        def write(inbox: Inbox) -> Answer:
            known = inbox.packets.answered(packet.client, packet.packet_id)
            if known is not None:
                return self._repeated(known, packet.content_hash)
            if batch is not None:
                inbox.packets.add_batch(batch)
            inbox.packets.add_answer(packet)
            return self._repeated(packet, packet.content_hash)

        try:
            written: Answer = await asyncio.wrap_future(self.intake.writer.submit(write, now=now))
        except InboxUnavailable as error:
            _log.error("%s", error)
            raise PacketRefused("unavailable") from error
        return written

    def _repeated(self, known: AnsweredPacket, content_hash: str) -> Answer:
        if known.content_hash != content_hash:
            raise PacketRefused("id_reused")
        return Answer(known.status, self.unseal(known.answer))

    async def _try(self, operation: Operation, packet: Packet, client: ApiClient) -> Any:
        """Check everything a writing operation checks; nothing is kept."""
        if operation.name == "deliver_batch":
            batch = await self._queried(
                client,
                lambda: self.exchange.checked_batch(packet, client, now=self.now(), trial=True),
            )
            return {"rows": batch.rows, "status": "valid"}
        data = await self._write(operation, packet, client, self.intake.trial(), trial=True)
        # Numbers of what was taken back mean nothing.
        return {
            key: None if key in {"case_no", "secret", "event_no"} else data[key] for key in data
        }

    async def _write(
        self, operation: Operation, packet: Packet, client: ApiClient, desk: Desk, *, trial: bool
    ) -> Any:
        if operation.name == "confirm_delivery":
            now = self.now()
            return await asyncio.to_thread(
                self.exchange.confirm, packet, client, now=now, trial=trial
            )
        data = clean(dict(packet.params))
        # Keys of the service and of the intake's own door must not meet.
        key = f"packet:{packet.packet_id}"
        try:
            if operation.name == "submit_feedback":
                receipt = await desk.submit(data, address="", idempotency_key=key, client=client)
                case = receipt.submission
                due = case.promised_due_at
                return {
                    "case_no": case.case_no,
                    "secret": receipt.secret,
                    "promised_due_at": due.isoformat() if due else None,
                }
            params = Params(data)
            case_no = params.text("case_no", 60, required=True)
            params.require()
            assert case_no is not None
            said = {name: value for name, value in data.items() if name != "case_no"}
            event = await desk.add_staff_event(
                normalise_case_number(case_no), said, client, idempotency_key=key
            )
            return {
                "case_no": event.case_no,
                "event_no": event.event_no,
                "event_type": event.event_type,
                "at": event.event_at.isoformat(),
            }
        except Refusal as refusal:
            raise _of_intake(refusal) from refusal

    async def _read(
        self,
        operation: Operation,
        packet: Packet,
        client: ApiClient,
        has_left: Callable[[], Awaitable[bool]],
    ) -> tuple[Any, str | None]:
        name = operation.name
        asked: dict[str, Callable[[Packet, ApiClient], tuple[Any, str | None]]] = {
            "run_named_query": self.reader.named_query,
            "query_cube": self.reader.cube,
            "query_rows": self.reader.rows,
            "list_operations": self.reader.operations,
        }
        if name in asked:
            data, snapshot = await self._queried(
                client, lambda: asked[name](packet, client), has_left
            )
            return data, snapshot
        if name == "query_status":
            return await asyncio.to_thread(self._status, packet, client)
        if name == "fetch_delivery":
            return await asyncio.to_thread(self.exchange.fetch, packet, client), None
        assert name == "list_deliveries"
        told = await asyncio.to_thread(
            lambda: self.exchange.deliveries(packet, client, self._inbox())
        )
        return told, None

    async def stream(
        self, packet: Packet, client: ApiClient, media: str, has_left: Callable[[], Awaitable[bool]]
    ) -> tuple[AnswerStream, bytes]:
        """The answer of a query to be read in parts, and its first part.

        Raises PacketRefused, and ClientLeft when nobody waits for it any more.
        """
        operation = OPERATIONS.get(packet.operation)
        if operation is None:
            raise PacketRefused("unknown_operation")
        if operation.name not in STREAMED:
            known = ", ".join(STREAMED)
            raise PacketRefused("invalid", faults=[field_fault("operation", "choice", known=known)])
        if not operation.is_open_to(client.permissions):
            raise PacketRefused("forbidden")
        stream = await asyncio.to_thread(self.reader.stream, packet, client, media)

        def read() -> bytes:
            with refused("params"):
                return stream.read()

        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self.streams, read)
        # What it raises once nobody waits for it is nobody's to be told.
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            while not (await asyncio.wait([reading], timeout=_LOOK_SECONDS))[0]:
                if await has_left():
                    raise ClientLeft
            return stream, reading.result()
        except BaseException:
            self._leave(stream)
            raise

    async def parts(self, stream: AnswerStream, first: bytes) -> AsyncIterator[bytes]:
        """The parts of an answer; a caller that leaves stops what is computed for it."""
        loop = asyncio.get_running_loop()
        try:
            part = first
            while part:
                yield part
                part = await loop.run_in_executor(self.streams, stream.read)
        finally:
            self._leave(stream)

    def _leave(self, stream: AnswerStream) -> None:
        # Nothing may be awaited in a task that is being ended.
        asyncio.get_running_loop().run_in_executor(None, stream.leave)

    async def _queried(
        self,
        client: ApiClient,
        ask: Callable[[], Any],
        has_left: Callable[[], Awaitable[bool]] | None = None,
    ) -> Any:
        most = self.limits.questions_at_once
        async with self._shares.setdefault(client.client_id, asyncio.Semaphore(most)):
            if has_left is not None and await has_left():
                raise ClientLeft
            return await asyncio.get_running_loop().run_in_executor(self.queries, ask)

    def _status(self, packet: Packet, client: ApiClient) -> tuple[Any, str | None]:
        params = Params(clean(dict(packet.params)))
        params.unknown(("case_no", "secret"))
        case_no = params.text("case_no", 60, required=True)
        secret = params.text("secret", 40)
        params.require()
        assert case_no is not None
        number = normalise_case_number(case_no)
        try:
            found: CaseStatus = (
                self.intake.status(number, secret)
                if secret is not None
                else self.intake.status_for(client, number)
            )
        except Refusal as refusal:
            raise _of_intake(refusal) from refusal
        told = found.body()
        del told["snapshot"], told["actions"]
        return told, found.tag

    def client_of(self, key: str) -> ApiClient | None:
        """The client of a key; None for an unknown or disabled one. Blocks."""
        return self._inbox().client_of(key)

    def _inbox(self) -> Inbox:
        """The inbox, opened once per thread for reading."""
        reader: Inbox | None = getattr(self._readers, "inbox", None)
        if reader is None:
            reader = self._readers.inbox = Inbox(self.intake.inbox_path)
        return reader

    def close(self) -> None:
        """Write what was accepted, then close everything."""
        # Questions may still take their time; what came in is safe before they are waited for.
        self.intake.close()
        for pool in (self.queries, self.streams):
            pool.shutdown(wait=True, cancel_futures=True)
        self.reader.pins.close()


def _of_intake(refusal: Refusal) -> PacketRefused:
    code = _OF_INTAKE.get(refusal.code, "unavailable")
    return PacketRefused(code, faults=refusal.faults, retry_after=refusal.retry_after)


def _answer(packet: Packet, code: str, data: Any, snapshot: str | None) -> Answer:
    told = load_codes()[code]
    body = {
        "id": packet.packet_id,
        "code": code,
        "message": dict(told.message),
        "data": data,
        "snapshot": snapshot,
    }
    return Answer(told.status, json.dumps(body, ensure_ascii=False, default=str).encode())
