"""The guard before every route: bounded bodies, security headers, no fault without an answer."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from connectors.intake.refusal import Refusal
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

MOST_BYTES = 64 * 1024
_BODY_SECONDS = 20.0
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
        answer = Answer(send)
        try:
            body = await read_body(scope, receive, most=MOST_BYTES, seconds=_BODY_SECONDS)
        except BodyTooLarge:
            await answer.refuse(Refusal("too_large"))
            return
        except TimeoutError:
            await answer.refuse(Refusal("too_slow"))
            return
        except ClientLeft:
            return
        try:
            await self._application(scope, replayed(body, receive), answer)
        except Exception as error:
            # The type alone is told: a message may quote what somebody submitted.
            _log.error("%s %s failed: %s", scope["method"], _route(scope), type(error).__name__)
            if not answer.begun:
                await answer.refuse(Refusal("failed", retry_after=5))


def _route(scope: MutableMapping[str, Any]) -> str:
    """The route's pattern: a path itself may hold a case number."""
    return str(getattr(scope.get("route"), "path", "?"))
