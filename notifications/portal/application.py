"""The portal as an ASGI application."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from notifications.portal import audit, digests, people, report, sign_in, start, threshold
from notifications.portal.chart import warm
from notifications.portal.desk import Desk, PasswordNeeded, Refused, SignInNeeded
from notifications.portal.failure import log_failure
from notifications.portal.page import Pages
from notifications.portal.session import Person

_LARGEST_BODY = 64 * 1024
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def portal(desk: Desk) -> FastAPI:
    """Make the application for one desk."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=warm, name="first drawing", daemon=True).start()
        yield

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    pages = Pages(desk)
    for part in (start, digests, report, threshold, audit, people, sign_in):
        part.add_to(app, desk, pages)

    @app.get("/health")
    def health() -> Response:
        publication = desk.publication()
        tag = None if publication is None else publication.tag
        status = "degraded" if desk.is_unreadable() else "ok"
        return JSONResponse({"name": "portal", "status": status, "snapshot": tag})

    @app.get("/style.css")
    def style() -> Response:
        headers = {"Cache-Control": "public, max-age=3600"}
        return Response(desk.stylesheet, media_type="text/css", headers=headers)

    @app.get("/favicon.ico")
    def no_icon() -> Response:
        return Response(status_code=204)

    def refused(request: Request, status: int, key: str) -> Response:
        return pages.show(request, "refused", _person(desk, request), status=status, why=key)

    @app.exception_handler(Refused)
    def on_refused(request: Request, error: Refused) -> Response:
        return refused(request, error.status, error.key)

    @app.exception_handler(SignInNeeded)
    def on_sign_in(request: Request, _error: SignInNeeded) -> Response:
        return RedirectResponse(f"/sign-in{_wanted(request)}", status_code=303)

    @app.exception_handler(PasswordNeeded)
    def on_password(request: Request, _error: PasswordNeeded) -> Response:
        return RedirectResponse(f"/password{_wanted(request)}", status_code=303)

    @app.exception_handler(HTTPException)
    def on_http(request: Request, error: HTTPException) -> Response:
        key = {404: "refused.page", 405: "refused.page"}.get(error.status_code, "refused.request")
        return refused(request, error.status_code, key)

    @app.middleware("http")
    async def guard(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        length = request.headers.get("content-length")
        if request.method == "POST":
            if length is None or not length.isdecimal():
                return _guarded(Response(status_code=411))
            if int(length) > _LARGEST_BODY:
                return _guarded(Response(status_code=413))
        try:
            return _guarded(await call_next(request))
        except Exception as error:
            log_failure(request.url.path, error)
            # A store that is locked or out of room may be well again in a moment.
            status, why = (
                (503, "refused.store")
                if isinstance(error, OperationalError)
                else (500, "refused.fault")
            )
            return _guarded(pages.show(request, "refused", None, status=status, why=why))

    return app


def _wanted(request: Request) -> str:
    """The query that remembers a page asked for, to come back to it."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"?next={quote(wanted)}" if request.method == "GET" and wanted != "/" else ""


def _person(desk: Desk, request: Request) -> Person | None:
    try:
        return desk.person(request)
    except Exception:
        return None


def _guarded(response: Response) -> Response:
    for name, value in _HEADERS.items():
        if name not in response.headers:
            response.headers[name] = value
    return response
