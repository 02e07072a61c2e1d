"""The intake's pages: the form, the receipt, and where a case stands. Plain HTML, no script."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from connectors.intake.case_number import is_case_number, normalise_case_number
from connectors.intake.desk import Desk
from connectors.intake.page_form import category_groups, read_fields, unit_groups
from connectors.intake.refusal import Refusal
from connectors.intake.status import CaseStatus
from connectors.intake.submission import clean
from connectors.intake.words import due_text, time_text, word
from cubes.label import LANGUAGES, Language

PAGES = Path(__file__).parent / "pages"
NEXT_STEPS = ("next.read", "next.follow", "next.reply")
_YEAR_SECONDS = 366 * 24 * 3600
_MOST_FIELDS = 100


def add_pages(app: FastAPI, desk: Desk, *, stylesheet: str) -> None:
    """Add the pages to the application."""
    pages = _Pages(desk)
    version = hashlib.sha256(stylesheet.encode()).hexdigest()[:12]

    @app.get("/style.css", include_in_schema=False)
    async def style(request: Request) -> Response:
        headers = {"Cache-Control": "max-age=300", "ETag": f'"{version}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(stylesheet, media_type="text/css", headers=headers)

    @app.get("/", include_in_schema=False)
    async def form(request: Request) -> Response:
        typed = {"entry": request.query_params.get("entry", "")[:40]}
        return pages.form(request, typed)

    @app.post("/", include_in_schema=False)
    async def submit(request: Request) -> Response:
        return await pages.submit(request)

    @app.get("/status", include_in_schema=False)
    async def ask(request: Request) -> Response:
        return pages.ask(request, {"case_no": request.query_params.get("case_no", "")[:40]})

    @app.post("/status", include_in_schema=False)
    async def status(request: Request) -> Response:
        return await pages.status(request)


class _Pages:
    """Renders the pages of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._templates = Environment(
            loader=FileSystemLoader(PAGES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def form(
        self,
        request: Request,
        typed: Mapping[str, str],
        *,
        faults: Mapping[str, Mapping[str, str]] | None = None,
        notice: str | None = None,
        token: str | None = None,
        status: int = 200,
    ) -> Response:
        """The form, with what was typed and the faults beside their fields."""
        language = language_of(request)
        published = self._desk.follower.current
        form = self._desk.form
        return self._page(
            request,
            "form.html",
            status,
            here="submit",
            form=form,
            typed=typed,
            faults={name: text[language] for name, text in (faults or {}).items()},
            notice=word(notice, language) if notice else None,
            token=token or self._token(),
            categories=category_groups(form, language),
            units=unit_groups(published, form, language),
            today=self._today().isoformat(),
        )

    async def submit(self, request: Request) -> Response:
        """Take the form; a repeat of the same form shows the same receipt."""
        typed = await _fields(request)
        language = language_of(request)
        token = typed.get("token", "")
        try:
            receipt = await self._desk.submit(
                read_fields(typed, self._desk.form, language),
                address=request.client.host if request.client else "",
                idempotency_key=token or None,
                is_form=True,
            )
        except Refusal as refusal:
            faults = {fault.field: fault.message for fault in refusal.faults}
            notices = {"conflict": "form.again", "unavailable": "form.unavailable"}
            notice = notices.get(refusal.code, "form.faults")
            kept = None if refusal.code in {"conflict", "bad_key"} else token
            return self.form(
                request, typed, faults=faults, notice=notice, token=kept, status=refusal.status
            )
        case = receipt.submission
        due_at = case.promised_due_at
        return self._page(
            request,
            "receipt.html",
            200,
            here="submit",
            case_no=case.case_no,
            secret=receipt.secret,
            due_text=word(
                "receipt.due_text",
                language,
                due=due_text(due_at, self._desk.zone, language),
                policy=case.promise["name"][language],
            )
            if due_at
            else None,
            reason=None if due_at else word(str(case.promise["reason"]), language),
            is_provisional=bool(case.promise.get("is_provisional")),
            steps=[word(key, language) for key in NEXT_STEPS],
        )

    def ask(
        self,
        request: Request,
        typed: Mapping[str, str],
        *,
        faults: Mapping[str, str] | None = None,
        notice: str | None = None,
        status: int = 200,
    ) -> Response:
        """The form that asks for case number and secret."""
        return self._page(
            request,
            "ask.html",
            status,
            here="status",
            case_no=typed.get("case_no", ""),
            faults=faults or {},
            notice=notice,
        )

    async def status(self, request: Request) -> Response:
        """Where a case stands, after the action of the reporter if there is one."""
        typed = await _fields(request)
        language = language_of(request)
        case_no = normalise_case_number(typed.get("case_no", "")[:60])
        secret = typed.get("secret", "")[:200]
        missing = word("fault.required", language)
        faults = {name: missing for name in ("case_no", "secret") if not typed.get(name)}
        if "case_no" not in faults and not is_case_number(case_no):
            faults["case_no"] = word("fault.case_no", language)
        if faults:
            return self.ask(request, typed, faults=faults, status=422)
        done, faults, notice, code = None, {}, None, 200
        try:
            action = typed.get("action")
            if action in {"message", "withdraw"}:
                try:
                    await self._desk.add_reporter_event(
                        case_no,
                        secret,
                        action,
                        {"text": typed.get("text", "")} if action == "message" else {},
                        idempotency_key=typed.get("token") or None,
                        is_form=True,
                    )
                    done = word(f"status.done.{action}", language)
                except Refusal as refusal:
                    if refusal.code in {"not_found", "too_many"}:
                        raise
                    faults = {fault.field: fault.message[language] for fault in refusal.faults}
                    notice = None if faults else word(f"code.{refusal.code}", language)
                    code = refusal.status
            found = await asyncio.to_thread(self._desk.status, case_no, secret)
        except Refusal as refusal:
            notice = word(f"code.{refusal.code}", language)
            response = self.ask(request, typed, notice=notice, status=refusal.status)
            response.headers.update(refusal.headers())
            return response
        return self._page(
            request,
            "case.html",
            code,
            here="status",
            case=found,
            secret=secret,
            due_text=self._due_text(found, language),
            is_open=found.status not in {"resolved", "closed", "rejected", "withdrawn"},
            token=self._token(),
            done=done,
            notice=notice,
            faults=faults,
            text=typed.get("text", "") if faults else "",
        )

    def _due_text(self, case: CaseStatus, language: Language) -> str | None:
        if case.due_at is None:
            return None
        return due_text(case.due_at, self._desk.zone, language)

    def _token(self) -> str:
        return f"{self._desk.rng.getrandbits(128):032x}"

    def _today(self) -> date:
        return self._desk.now().astimezone(ZoneInfo(self._desk.zone)).date()

    def _page(
        self, request: Request, template: str, status: int, *, here: str, **values: Any
    ) -> Response:
        language = language_of(request)

        def when(instant: datetime) -> str:
            return time_text(instant, self._desk.zone, language)

        text = self._templates.get_template(template).render(
            language=language,
            other="en" if language == "zh" else "zh",
            here=here,
            word=lambda key, **filled: word(key, language, **filled),
            label=lambda label: label.text(language) if label else "",
            when=when,
            iso=lambda instant: instant.astimezone(UTC).isoformat(timespec="seconds"),
            is_post=request.method == "POST",
            **values,
        )
        response = HTMLResponse(text, status)
        if request.query_params.get("lang") in LANGUAGES:
            response.set_cookie(
                "lang", language, max_age=_YEAR_SECONDS, httponly=True, samesite="lax"
            )
        return response


def language_of(request: Request) -> Language:
    """The language asked for, else the one of the cookie, else Chinese."""
    for chosen in (request.query_params.get("lang"), request.cookies.get("lang")):
        if chosen in LANGUAGES:
            return "en" if chosen == "en" else "zh"
    return "zh"


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a form as they were typed, cleaned; what cannot be read is left out."""
    body = await request.body()
    try:
        pairs = parse_qsl(
            body.decode("utf-8", "replace"),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        return {}
    return {str(clean(name)): str(clean(value)) for name, value in pairs}
