"""One HTTP request: its body, read whole within bounds, and the answer to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class BodyTooLarge(Exception):
    """The body has, or says that it has, more bytes than allowed."""


class ClientLeft(Exception):
    """Nobody waits for an answer any more."""


class Refused(Protocol):
    """Why a request is not done, as both doors say it."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    def body(self) -> dict[str, Any]:
        """The answer as JSON."""

    def headers(self) -> Mapping[str, str]:
        """What the answer's head says besides."""


class Answer:
    """Sends an answer with security headers; `begun` tells whether its head is on its way."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        """Send one message of the answer."""
        if message["type"] == "http.response.start":
            self.begun = True
            names = {name for name, _ in message["headers"]}
            added = [pair for pair in _HEADERS if pair[0] not in names]
            message = {**message, "headers": [*message["headers"], *added]}
        await self._send(message)

    async def refuse(self, refusal: Refused) -> None:
        """Send a refusal and end the connection, since the rest of the body is not read."""
        body = json.dumps(refusal.body(), ensure_ascii=False).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *((name.encode(), value.encode()) for name, value in refusal.headers().items()),
        ]
        await self({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


async def read_body(
    scope: MutableMapping[str, Any], receive: Receive, *, most: int, seconds: float
) -> bytes:
    """The whole body of a request of at most `most` bytes.

    Raises BodyTooLarge, TimeoutError when it is not there after `seconds`, ClientLeft.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value[:20]) > most):
            raise BodyTooLarge
    return await asyncio.wait_for(_gather(receive, most), seconds)


async def _gather(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise BodyTooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Hand over a body that was read before, then what comes after it."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
