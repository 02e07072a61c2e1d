"""The desk: everything the pages work with, and who stands before it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import Request
from sqlalchemy.engine import Engine

from cubes.catalogue import Catalogue
from cubes.label import Language
from notifications.account import WHOLE, Role
from notifications.audit import note
from notifications.credential import Invitation, Passwords
from notifications.digest import Digest
from notifications.portal.limits import Limits
from notifications.portal.session import Person, find_person, touch
from notifications.publication import Publication
from notifications.store import reading
from notifications.threshold import ThresholdFigure


class Refused(Exception):
    """The answer is an error page: a status and the key of the words that say why."""

    def __init__(self, status: int, key: str) -> None:
        self.status = status
        self.key = key
        super().__init__(key)


class SignInNeeded(Exception):
    """Nobody is signed in."""


class PasswordNeeded(Exception):
    """The initial password must be changed first."""


@dataclass(frozen=True)
class Desk:
    """What `pipelines` passes in.

    `now` is the home's clock, which may stand still; sessions, locks and the count of resets go by
    `wall_clock`. `publication` returns the snapshot that serves, None before the first and while it
    cannot be read; `is_unreadable` tells which of the two it was. `pseudonym` makes of a number
    what accounts are found by; `dashboards` is Superset's address while it runs; `form_key` proves
    forms before sign-in, `system_key` is what Superset calls with.
    """

    engine: Engine
    now: Callable[[], datetime]
    wall_clock: Callable[[], datetime]
    zone: ZoneInfo
    publication: Callable[[], Publication | None]
    is_unreadable: Callable[[], bool]
    pseudonym: Callable[[str], str]
    catalogue: Catalogue
    digests: Mapping[str, Digest]
    figures: Mapping[str, ThresholdFigure]
    roles: Mapping[str, Role]
    passwords: Passwords
    limits: Limits
    invitation: Callable[[], Invitation]
    dashboards: Callable[[], str | None]
    form_key: bytes
    system_key: str
    signatures: Mapping[Language, str]
    language: Language
    stylesheet: str
    is_secure: bool

    @property
    def session_cookie(self) -> str:
        """Name of the session's cookie; with TLS the browser guards it by its prefix."""
        return "__Host-huiyin" if self.is_secure else "huiyin_session"

    @property
    def form_cookie(self) -> str:
        """Name of the cookie that forms before sign-in are bound to."""
        return "__Host-huiyin-form" if self.is_secure else "huiyin_form"

    def person(self, request: Request) -> Person | None:
        """Who is signed in."""
        token = request.cookies.get(self.session_cookie)
        if not token:
            return None
        now = self.wall_clock()
        with reading(self.engine) as connection:
            seen = find_person(connection, token, now, roles=self.roles)
        if seen is None:
            return None
        if seen.is_old:
            with self.engine.begin() as connection:
                touch(connection, token, now)
        return seen.person

    def require(self, request: Request, permission: str | None = None) -> Person:
        """The person signed in, allowed to do this.

        Raises SignInNeeded, PasswordNeeded, and Refused when no role allows it.
        """
        person = self.person(request)
        if person is None:
            raise SignInNeeded
        if person.must_change:
            raise PasswordNeeded
        if permission is not None and not person.may(permission):
            raise Refused(403, "refused.permission")
        return person

    def require_form(
        self, request: Request, form: Mapping[str, str], permission: str | None = None
    ) -> Person:
        """As `require`, for a form: its token must be the session's own."""
        person = self.require(request, permission)
        self.check_token(person, form)
        return person

    def check_token(self, person: Person, form: Mapping[str, str]) -> None:
        """Raise Refused if the form was not made for this session."""
        if not hmac.compare_digest(form.get("csrf", "").encode(), person.csrf.encode()):
            raise Refused(403, "refused.form")

    def unit_of(self, person: Person, publication: Publication, asked: str | None) -> str:
        """The unit a page is about: the one asked for, else the person's first.

        A unit outside the jurisdiction is refused as if it did not exist, and noted.
        """
        if not asked:
            if WHOLE in person.units:
                return WHOLE
            known = sorted(unit for unit in person.units if publication.org.level(unit))
            if not known:
                raise Refused(404, "refused.no_unit")
            return known[0]
        if not publication.org.is_within(asked, person.units):
            with self.engine.begin() as connection:
                note(connection, "refused_unit", person.account_id, self.now(), unit=asked[:64])
            raise Refused(404, "refused.unit")
        return asked


def check_origin(request: Request) -> None:
    """Raise Refused for a form that another site sent; browsers name the origin of every form."""
    origin = request.headers.get("origin")
    if origin is None:
        return
    host = request.headers.get("host", "")
    if origin.partition("://")[2] != host:
        raise Refused(403, "refused.form")


_MOST_FIELDS = 100


async def posted(request: Request) -> Mapping[str, str]:
    """The fields of a form as text, the last of each name; lists are read by `fields`."""
    check_origin(request)
    form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    request.state.form = form
    return {key: value for key, value in form.items() if isinstance(value, str)}


def fields(request: Request, name: str) -> list[str]:
    """All values of one field of the form that `posted` has read."""
    return [value for value in request.state.form.getlist(name) if isinstance(value, str)]
