"""The service's ASGI application: one address for every packet, answers in one form."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from connectors.errors import ConnectorError
from connectors.inbox import ApiClient
from connectors.intake.request import Application, ClientLeft
from connectors.service.answer_stream import media_type
from connectors.service.desk import ServiceDesk
from connectors.service.door import CLIENT, PACKETS, STREAMS, Door
from connectors.service.packet import Packet, parse_packet
from connectors.service.refusal import PacketRefused
from connectors.service.schema import (
    packet_operation,
    packet_responses,
    stream_operation,
    stream_responses,
)

_log = logging.getLogger("huiyin.service")


def make_application(desk: ServiceDesk) -> Application:
    """The whole service as one ASGI application; the desk is closed when the server ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(desk.close)

    # FastAPI's own documentation pages load scripts of third parties.
    app = FastAPI(
        title="Huiyin service 回音服务接口",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )

    @app.exception_handler(PacketRefused)
    async def refused(_: Request, refusal: PacketRefused) -> Response:
        return _refusal(refusal)

    @app.exception_handler(HTTPException)
    async def not_routed(_: Request, error: HTTPException) -> Response:
        refusal = PacketRefused("no_method" if error.status_code == 405 else "no_route")
        return JSONResponse(
            refusal.body(), refusal.status, {**refusal.headers(), **(error.headers or {})}
        )

    @app.exception_handler(RequestValidationError)
    async def not_valid(_: Request, error: RequestValidationError) -> Response:
        return _refusal(PacketRefused("malformed"))

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return _refusal(PacketRefused("failed"))

    @app.post(
        PACKETS,
        summary="Send a packet 发送请求包",
        openapi_extra=packet_operation(),
        responses=packet_responses(),
    )
    async def receive(request: Request) -> Response:
        async def answer(packet: Packet) -> tuple[Response, str]:
            done = await desk.handle(packet, request.scope[CLIENT], request.is_disconnected)
            return Response(done.body, done.status, media_type="application/json"), str(done.status)

        return await _answered(desk, request, answer)

    @app.post(
        STREAMS,
        summary="Read the answer of a query in parts 分块读取查询结果",
        openapi_extra=stream_operation(),
        responses=stream_responses(),
    )
    async def stream(request: Request) -> Response:
        async def answer(packet: Packet) -> tuple[Response, str]:
            media = media_type(request.headers.get("accept", ""))
            begun, first = await desk.stream(
                packet, request.scope[CLIENT], media, request.is_disconnected
            )
            told = {"x-huiyin-snapshot": begun.snapshot}
            told["x-huiyin-business-date"] = begun.business_date
            parts = desk.parts(begun, first)
            return StreamingResponse(parts, 200, told, media_type=media), "200"

        return await _answered(desk, request, answer)

    @app.get("/health", summary="Health 健康检查")
    async def health() -> Response:
        published = desk.intake.follower.current
        alive = desk.intake.writer.is_alive
        return JSONResponse(
            {
                "name": "service",
                "status": "ok" if alive else "failing",
                "snapshot": published.tag if published else None,
            },
            200 if alive else 503,
        )

    return Door(app, desk)


async def _answered(
    desk: ServiceDesk,
    request: Request,
    answer: Callable[[Packet], Awaitable[tuple[Response, str]]],
) -> Response:
    """The response to a packet or its refusal, with one line of log that tells no content."""
    client: ApiClient = request.scope[CLIENT]
    began = time.monotonic()
    packet_id: str | None = None
    operation, code = "?", "?"
    try:
        body = await request.body()
        packet = await asyncio.to_thread(parse_packet, body, now=desk.now())
        packet_id, operation = packet.packet_id, packet.operation
        response, code = await answer(packet)
        return response
    except PacketRefused as refusal:
        code = refusal.code.name
        return _refusal(refusal, packet_id)
    except ClientLeft:
        code = "left"
        raise
    except (ConnectorError, sqlite3.Error, OSError) as error:
        _log.error("a store cannot be used: %s", type(error).__name__)
        code = "unavailable"
        return _refusal(PacketRefused(code), packet_id)
    except Exception as error:
        # The type alone is told: a message may quote what somebody sent.
        _log.error("%s failed: %s", operation, type(error).__name__)
        code = "failed"
        return _refusal(PacketRefused(code), packet_id)
    finally:
        # Ids and contents are the client's and may hold anything, so neither is told.
        told = operation if code not in {"unknown_operation", "malformed"} else "?"
        seconds = time.monotonic() - began
        _log.info("%s %s %s %.0f ms", client.client_id, told, code, seconds * 1000)


def _refusal(refusal: PacketRefused, packet_id: str | None = None) -> Response:
    body = json.dumps(refusal.body(packet_id), ensure_ascii=False).encode()
    return Response(body, refusal.status, refusal.headers(), media_type="application/json")
