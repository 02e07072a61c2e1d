"""Signing in and out, the change of the password, and the door for Superset."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from notifications.account import WHOLE
from notifications.audit import note
from notifications.credential import (
    Credential,
    begin_try,
    choose,
    end_try,
    find_credential,
    plain_form,
)
from notifications.portal.desk import Desk, SignInNeeded, posted
from notifications.portal.limits import Busy
from notifications.portal.page import Pages, goto, unit_names
from notifications.portal.session import (
    Person,
    end_session,
    form_token,
    open_session,
    permissions_of,
)
from notifications.portal.words import has_words, say
from notifications.schema import account, credential, role_assignment
from notifications.store import reading

Answer = Literal["right", "wrong", "limited", "busy"]
_LONGEST_NUMBER = 40
_KEY = "X-Huiyin-Key"


@dataclass(frozen=True)
class Judged:
    """What became of a try, and the account if it was right."""

    answer: Answer
    account_id: str = ""


def judge(desk: Desk, number: str, password: str, address: str | None) -> Judged:
    """Judge a number and a password; `address` is counted, None for a system with its own key.

    What can refuse without computing comes first, and each try is counted before it is judged.
    """
    if address is not None and not desk.limits.begin(address):
        return Judged("limited")
    pseudonym = desk.pseudonym(number[:_LONGEST_NUMBER])
    try:
        with desk.limits.slot():
            judged = _judge(desk, pseudonym, password)
    except Busy:
        judged = Judged("busy")
    if judged.answer != "wrong" and address is not None:
        desk.limits.forgive(address)
    return judged


def _judge(desk: Desk, pseudonym: str, password: str) -> Judged:
    now, wall = desk.now(), desk.wall_clock()
    with desk.engine.begin() as connection:
        account_id = connection.execute(
            sa.select(account.c.account_id)
            .join(credential, credential.c.account_id == account.c.account_id)
            .where(account.c.phone_key == pseudonym, account.c.status == "active")
            .order_by(account.c.account_id)
        ).scalar()
        stored: Credential | None = None
        if account_id is None:
            if not desk.limits.begin_unknown(pseudonym):
                return Judged("wrong")
        else:
            if not begin_try(connection, account_id, wall):
                return Judged("wrong")
            stored = find_credential(connection, account_id)
    is_right = desk.passwords.fits(stored, password)
    with desk.engine.begin() as connection:
        if stored is None:
            note(connection, "sign_in_unknown", "", now, actor="visitor")
        else:
            end_try(connection, stored.account_id, now, wall, is_right=is_right)
    return Judged("right", stored.account_id) if is_right and stored else Judged("wrong")


def add_to(app: FastAPI, desk: Desk, pages: Pages) -> None:
    """Add the pages of this module."""

    def form_page(
        request: Request, wanted: str, error: str | None, status: int, number: str = ""
    ) -> Response:
        nonce = request.cookies.get(desk.form_cookie) or secrets.token_urlsafe(24)
        response = pages.show(
            request,
            "sign_in",
            None,
            status=status,
            error=error,
            number=number,
            token=form_token(desk.form_key, nonce),
            next=_own_path(wanted),
        )
        response.set_cookie(
            desk.form_cookie,
            nonce,
            httponly=True,
            samesite="lax",
            secure=desk.is_secure,
            path="/",
        )
        return response

    def signed_in(response: Response, token: str) -> Response:
        response.set_cookie(
            desk.session_cookie,
            token,
            httponly=True,
            samesite="lax",
            secure=desk.is_secure,
            path="/",
        )
        return response

    @app.get("/sign-in")
    def sign_in_page(request: Request) -> Response:
        if desk.person(request) is not None:
            return goto("/")
        return form_page(request, request.query_params.get("next", ""), None, 200)

    @app.post("/sign-in")
    def sign_in(request: Request, form: Mapping[str, str] = Depends(posted)) -> Response:
        nonce, wanted = request.cookies.get(desk.form_cookie, ""), form.get("next", "")
        expected = form_token(desk.form_key, nonce)
        given = form.get("csrf", "").encode()
        if not nonce or not hmac.compare_digest(given, expected.encode()):
            # The page was open too long or came from elsewhere: a fresh form is what helps.
            return form_page(request, wanted, "sign_in.stale", 403)
        number, password = form.get("phone", ""), form.get("password", "")
        address = request.client.host if request.client else ""
        judged = judge(desk, number, password, address)
        if judged.answer != "right":
            status = {"wrong": 401, "limited": 429, "busy": 503}[judged.answer]
            number = number[:_LONGEST_NUMBER]
            return form_page(request, wanted, f"sign_in.{judged.answer}", status, number)
        with desk.engine.begin() as connection:
            old = request.cookies.get(desk.session_cookie)
            if old:
                end_session(connection, old)
            token = open_session(connection, judged.account_id, desk.wall_clock())
        return signed_in(goto(_own_path(wanted) or "/"), token)

    @app.post("/sign-out")
    def sign_out(request: Request, form: Mapping[str, str] = Depends(posted)) -> Response:
        person = desk.person(request)
        if person is not None:
            desk.check_token(person, form)
            with desk.engine.begin() as connection:
                end_session(connection, request.cookies[desk.session_cookie])
                note(connection, "signed_out", person.account_id, desk.now())
        response = goto("/sign-in", "signed_out")
        response.delete_cookie(desk.session_cookie, path="/", secure=desk.is_secure)
        return response

    def password_form(
        request: Request, person: Person, wanted: str, error: str | None = None, status: int = 200
    ) -> Response:
        wanted = _own_path(wanted)
        return pages.show(request, "password", person, status=status, error=error, next=wanted)

    @app.get("/password")
    def password_page(request: Request) -> Response:
        person = desk.person(request)
        if person is None:
            raise SignInNeeded
        return password_form(request, person, request.query_params.get("next", ""))

    @app.post("/password")
    def change_password(request: Request, form: Mapping[str, str] = Depends(posted)) -> Response:
        person = desk.person(request)
        if person is None:
            raise SignInNeeded
        desk.check_token(person, form)
        error = _change(desk, person, form)
        if error is not None:
            status = 503 if error == "sign_in.busy" else 422
            return password_form(request, person, form.get("next", ""), error, status)
        with desk.engine.begin() as connection:
            token = open_session(connection, person.account_id, desk.wall_clock())
        return signed_in(goto(_own_path(form.get("next", "")) or "/", "password"), token)

    @app.post("/internal/sign-in")
    async def system_body(request: Request) -> Response:
        given = request.headers.get(_KEY, "").encode()
        if not hmac.compare_digest(given, desk.system_key.encode()):
            return JSONResponse({"code": "unknown_system"}, status_code=401)
        try:
            body: Any = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return JSONResponse({"code": "not_understood"}, status_code=400)
        number, password = str(body.get("phone", "")), str(body.get("password", ""))
        address = str(body.get("address") or "") or None
        return await run_in_threadpool(system_sign_in, desk, number, password, address)


def _change(desk: Desk, person: Person, form: Mapping[str, str]) -> str | None:
    """Change the password; the key of what is wrong, None if it is done."""
    now, wall = desk.now(), desk.wall_clock()
    new = form.get("new", "")
    if plain_form(new) != plain_form(form.get("again", "")):
        return "password.differ"
    try:
        with desk.limits.slot():
            with desk.engine.begin() as connection:
                if not begin_try(connection, person.account_id, wall):
                    return "password.locked"
                stored = find_credential(connection, person.account_id)
            if stored is None or not desk.passwords.fits(stored, form.get("old", "")):
                with desk.engine.begin() as connection:
                    end_try(connection, person.account_id, now, wall, is_right=False)
                return "password.wrong"
            weakness = desk.passwords.weakness(
                stored, new, is_own_phone=lambda text: desk.pseudonym(text) == person.phone_key
            )
            hashed = None if weakness else desk.passwords.hash(new)
    except Busy:
        return "sign_in.busy"
    with desk.engine.begin() as connection:
        if hashed is None:
            connection.execute(
                credential.update()
                .where(credential.c.account_id == person.account_id)
                .values(failed_count=0, locked_until=None)
            )
            return f"password.{weakness}"
        choose(connection, person.account_id, hashed, now)
    return None


def system_sign_in(desk: Desk, number: str, password: str, address: str | None) -> Response:
    """Answer Superset: who this is, for an account that may analyse.

    `address` is its caller's, counted as one of the portal's own; None is not counted.
    """
    judged = judge(desk, number, password, address)
    if judged.answer == "limited":
        return JSONResponse({"code": "limited"}, status_code=429)
    if judged.answer == "busy":
        return JSONResponse({"code": "busy"}, status_code=503)
    if judged.answer != "right":
        return JSONResponse({"code": "wrong"}, status_code=401)
    with reading(desk.engine) as connection:
        stored = find_credential(connection, judged.account_id)
        duties = connection.execute(
            sa.select(role_assignment, account.c.position)
            .join(account, account.c.account_id == role_assignment.c.account_id)
            .where(role_assignment.c.account_id == judged.account_id)
        ).all()
    allowed = permissions_of((duty.role for duty in duties), desk.roles)
    if "analyse" not in allowed:
        return JSONResponse({"code": "wrong"}, status_code=401)
    if stored is None or stored.must_change:
        return JSONResponse({"code": "password_must_change"}, status_code=403)
    units = frozenset(duty.unit_id for duty in duties)
    return JSONResponse(
        {
            "account_id": judged.account_id,
            "name": title_of(desk, duties[0].position, units, judged.account_id),
            "roles": ["analyst"],
            "language": desk.language,
        }
    )


def title_of(desk: Desk, position: str, units: frozenset[str], account_id: str) -> str:
    """How an account is called: its unit and its position, for no name is kept here."""
    key = f"position.{position}"
    label = say(key, desk.language) if has_words(key) else position
    publication = desk.publication()
    if publication is None or WHOLE in units:
        return f"{label} {account_id}"
    return f"{unit_names(publication, units, desk.language)} {label}"


def _own_path(path: str) -> str:
    """A path of ours to go to after sign-in; nothing that leads to another site."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_ours and path.isprintable() else ""
