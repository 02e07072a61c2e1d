"""The door of the service: who calls is known before the body is read, and the body is bounded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from contextlib import ExitStack
from typing import Any

from connectors.inbox import ApiClient
from connectors.intake.request import (
    Answer,
    Application,
    BodyTooLarge,
    ClientLeft,
    Receive,
    Send,
    read_body,
    replayed,
)
from connectors.service.desk import ServiceDesk
from connectors.service.refusal import PacketRefused

PACKETS = "/v1/packets"
STREAMS = "/v1/streams"
CLIENT = "huiyin.client"
MOST_BYTES = 10 * 1024 * 1024
_MOST_WITHOUT_KEY = 64 * 1024
_BODY_SECONDS = 60.0
_log = logging.getLogger("huiyin.service")


class Door:
    """ASGI middleware: key, rate and room first, then at most 10 MB of the body."""

    def __init__(self, application: Application, desk: ServiceDesk) -> None:
        self._application = application
        self._desk = desk

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        answer = Answer(send)
        try:
            if scope["path"] in (PACKETS, STREAMS) and scope["method"] == "POST":
                await self._packet(scope, receive, answer)
            else:
                body = await _bounded(scope, receive, _MOST_WITHOUT_KEY)
                await self._application(scope, replayed(body, receive), answer)
        except PacketRefused as refusal:
            await answer.refuse(refusal)
        except ClientLeft:
            return
        except Exception as error:
            # The type alone is told: a message may quote what somebody sent.
            _log.error("%s failed: %s", scope["method"], type(error).__name__)
            if not answer.begun:
                await answer.refuse(PacketRefused("failed"))

    async def _packet(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        client = await self._client(scope)
        desk, limits, name = self._desk, self._desk.limits, client.client_id
        if limits.packets.count(name, desk.intake.seconds()):
            raise PacketRefused(
                "too_many", retry_after=limits.packets.wait(name, desk.intake.seconds()) or None
            )
        with ExitStack() as held:
            held.enter_context(limits.under_way.entered(name))
            if scope["path"] == STREAMS:
                held.enter_context(limits.streams.entered(name))
            body = await _bounded(scope, receive, MOST_BYTES)
            scope[CLIENT] = client
            patient = _while_it_reads(send, limits.reading_seconds)
            await self._application(scope, replayed(body, receive), patient)

    async def _client(self, scope: MutableMapping[str, Any]) -> ApiClient:
        given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        scheme, _, key = given.partition(" ")
        limits, at = self._desk.limits, self._desk.intake.seconds()
        address = scope["client"][0] if scope.get("client") else ""
        client = None
        if scheme.lower() == "bearer" and key.strip():
            client = await asyncio.to_thread(self._desk.client_of, key.strip())
        if client is None:
            # A right key is never kept waiting: a whole office may come from one address.
            wait = limits.wrong_keys.wait(address, at)
            if wait:
                raise PacketRefused("too_many", retry_after=wait)
            limits.wrong_keys.count(address, at)
            raise PacketRefused("unauthorised")
        return client


def _while_it_reads(send: Send, seconds: float) -> Send:
    """Send as long as the caller reads; raises ClientLeft where it takes nothing for `seconds`.

    A caller that stops reading would else hold its place, its thread and the snapshot for good.
    """

    async def sent(message: MutableMapping[str, Any]) -> None:
        try:
            await asyncio.wait_for(send(message), seconds)
        except TimeoutError as error:
            raise ClientLeft from error

    return sent


async def _bounded(scope: MutableMapping[str, Any], receive: Receive, most: int) -> bytes:
    """The whole body; PacketRefused once it is larger than allowed or too slow."""
    try:
        return await read_body(scope, receive, most=most, seconds=_BODY_SECONDS)
    except BodyTooLarge as error:
        raise PacketRefused("too_large") from error
    except TimeoutError as error:
        raise PacketRefused("too_slow") from error
