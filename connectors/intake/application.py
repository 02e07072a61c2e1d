"""The intake's ASGI application: the JSON interface; the pages are added from `page`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from connectors.inbox import ApiClient, InboxEvent
from connectors.intake.case_number import normalise_case_number
from connectors.intake.desk import Desk, Receipt
from connectors.intake.guard import Guard
from connectors.intake.page import NEXT_STEPS, add_pages
from connectors.intake.refusal import Refusal
from connectors.intake.request import Application
from connectors.intake.schema import (
    event_operation,
    refusals,
    status_operation,
    submission_operation,
)
from connectors.intake.submission import clean
from connectors.intake.words import both


def make_application(desk: Desk, *, stylesheet: str) -> Application:
    """The whole intake as one ASGI application; the desk is closed when the server ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(desk.close)

    # FastAPI's own documentation pages load scripts of third parties.
    app = FastAPI(
        title="Huiyin intake 回音反馈入口",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        return JSONResponse(refusal.body(), refusal.status, refusal.headers())

    @app.exception_handler(HTTPException)
    async def not_routed(_: Request, error: HTTPException) -> Response:
        refusal = Refusal("no_method" if error.status_code == 405 else "no_route")
        return JSONResponse(refusal.body(), refusal.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def not_valid(_: Request, error: RequestValidationError) -> Response:
        refusal = Refusal("malformed")
        return JSONResponse(refusal.body(), refusal.status)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        refusal = Refusal("failed", retry_after=5)
        return JSONResponse(refusal.body(), refusal.status, refusal.headers())

    @app.post(
        "/v1/feedback",
        status_code=202,
        summary="Submit a matter 提交反馈",
        openapi_extra=submission_operation(desk.form),
        responses=refusals(400, 401, 403, 409, 413, 422, 503),
    )
    async def submit(request: Request) -> Response:
        client = await _client(request, desk, "submit", required=False)
        receipt = await desk.submit(
            await _json_of(request),
            address=address_of(request),
            idempotency_key=request.headers.get("idempotency-key"),
            client=client,
        )
        return JSONResponse(_receipt_body(receipt, request), 202)

    @app.get(
        "/v1/feedback/{case_no}",
        summary="Where a case stands 查询进度",
        openapi_extra=status_operation(),
        responses=refusals(404, 429),
    )
    async def status(case_no: str, request: Request) -> Response:
        secret = request.headers.get("x-case-secret", "")
        found = await asyncio.to_thread(desk.status, normalise_case_number(case_no), secret)
        return JSONResponse(found.body())

    @app.post(
        "/v1/feedback/{case_no}/events",
        status_code=202,
        summary="Append an event (staff) 办理",
        openapi_extra=event_operation(is_staff=True),
        responses=refusals(400, 401, 403, 404, 409, 413, 422, 503),
    )
    async def add_event(case_no: str, request: Request) -> Response:
        client = await _client(request, desk, "event", required=True)
        assert client is not None
        event = await desk.add_staff_event(
            normalise_case_number(case_no),
            await _json_of(request),
            client,
            idempotency_key=request.headers.get("idempotency-key"),
        )
        return JSONResponse(_event_body(event), 202)

    def add_reporter_route(path: str, action: str, summary: str) -> None:
        async def add(case_no: str, request: Request) -> Response:
            event = await desk.add_reporter_event(
                normalise_case_number(case_no),
                request.headers.get("x-case-secret", ""),
                action,
                await _json_of(request),
                idempotency_key=request.headers.get("idempotency-key"),
            )
            return JSONResponse(_event_body(event), 202)

        app.post(
            f"/v1/feedback/{{case_no}}/{path}",
            status_code=202,
            summary=summary,
            name=action,
            openapi_extra=event_operation(is_staff=False),
            responses=refusals(400, 404, 409, 413, 422, 429, 503),
        )(add)

    add_reporter_route("messages", "message", "Add something (reporter) 补充说明")
    add_reporter_route("withdraw", "withdraw", "Withdraw (reporter) 撤回")

    @app.get("/health", summary="Health 健康检查")
    async def health() -> Response:
        published = desk.follower.current
        alive = desk.writer.is_alive
        return JSONResponse(
            {
                "name": "intake",
                "status": "ok" if alive else "failing",
                "snapshot": published.tag if published else None,
            },
            200 if alive else 503,
        )

    add_pages(app, desk, stylesheet=stylesheet)
    return Guard(app)


def address_of(request: Request) -> str:
    """The caller's address, for counting only."""
    return request.client.host if request.client else ""


async def _json_of(request: Request) -> Mapping[str, Any]:
    try:
        data = json.loads(await request.body())
        if isinstance(data, dict):
            cleaned: dict[str, Any] = clean(data)
            return cleaned
    except (ValueError, RecursionError):
        pass
    raise Refusal("malformed")


async def _client(
    request: Request, desk: Desk, permission: str, *, required: bool
) -> ApiClient | None:
    """The client of the request's key; without one only where none is required."""
    header = request.headers.get("authorization")
    if header is None and not required:
        return None
    address, at = address_of(request), desk.seconds()
    scheme, _, key = (header or "").partition(" ")
    client = None
    if scheme.lower() == "bearer" and key:
        client = await asyncio.to_thread(desk.client_of, key.strip())
    if client is None:
        # A right key is never kept waiting: a whole office may come from one address.
        wait = desk.limits.wrong_keys.wait(address, at)
        if wait:
            raise Refusal("too_many_keys", retry_after=wait)
        desk.limits.wrong_keys.count(address, at)
        raise Refusal("unauthorised")
    if permission not in client.permissions:
        raise Refusal("forbidden")
    return client


def _receipt_body(receipt: Receipt, request: Request) -> dict[str, Any]:
    case = receipt.submission
    policy_id = case.promise.get("policy_id")
    return {
        "case_no": case.case_no,
        "secret": receipt.secret,
        "promised_due_at": case.promised_due_at.isoformat() if case.promised_due_at else None,
        "policy": {"id": policy_id, "name": case.promise["name"]} if policy_id else None,
        "reason": None if policy_id else both(str(case.promise["reason"])),
        "is_provisional": bool(case.promise.get("is_provisional")),
        "status_url": f"/v1/feedback/{case.case_no}",
        "next_steps": [both(key) for key in NEXT_STEPS],
    }


def _event_body(event: InboxEvent) -> dict[str, Any]:
    return {
        "case_no": event.case_no,
        "event_no": event.event_no,
        "event_type": event.event_type,
        "at": event.event_at.isoformat(),
    }
