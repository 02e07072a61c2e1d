"""The guard before every route: bounded bodies, security headers, no fault without an answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from connectors.intake.refusal import Refusal

MOST_BYTES = 64 * 1024
_BODY_SECONDS = 20.0
HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
_log = logging.getLogger("huiyin.intake")


class Guard:
    """ASGI middleware: reads at most 64 KB of a body before the application sees the request."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                names = {name for name, _ in message["headers"]}
                added = [pair for pair in HEADERS if pair[0] not in names]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        try:
            body = await asyncio.wait_for(_read(scope, receive), _BODY_SECONDS)
        except Refusal as refusal:
            await _refuse(guarded, refusal)
            return
        except TimeoutError:
            await _refuse(guarded, Refusal("too_slow"))
            return
        if body is None:
            return
        told = False

        async def replay() -> Message:
            nonlocal told
            if told:
                return await receive()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        try:
            await self._application(scope, replay, guarded)
        except Exception as error:
            # The type alone is told: a message may quote what somebody submitted.
            _log.error("%s %s failed: %s", scope["method"], _route(scope), type(error).__name__)
            if not started:
                await _refuse(guarded, Refusal("failed", retry_after=5))


async def _read(scope: MutableMapping[str, Any], receive: Receive) -> bytes | None:
    """The whole body, or None if the client left; Refusal once it is larger than allowed."""
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value[:20]) > MOST_BYTES):
            raise Refusal("too_large")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > MOST_BYTES:
            raise Refusal("too_large")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _route(scope: MutableMapping[str, Any]) -> str:
    """The route's pattern: a path itself may hold a case number."""
    return str(getattr(scope.get("route"), "path", "?"))


async def _refuse(send: Send, refusal: Refusal) -> None:
    body = json.dumps(refusal.body(), ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        # What is left of the body is not read, so the connection cannot be used again.
        (b"connection", b"close"),
        *((name.encode(), value.encode()) for name, value in refusal.headers().items()),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
