"""The audit log: what I did, and what those below me did, in plain words."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.responses import Response
from sqlalchemy.engine import Connection

from cubes.label import Language
from notifications.account import WHOLE
from notifications.portal.desk import Desk, Refused
from notifications.portal.page import Pages, unit_names
from notifications.portal.session import Person
from notifications.portal.words import has_words, say
from notifications.publication import Publication
from notifications.schema import account, audit_event, role_assignment
from notifications.store import reading

PAGE = 50
ACTIONS = (
    "signed_in",
    "sign_in_failed",
    "locked",
    "signed_out",
    "password_changed",
    "password_reset",
    "reset_refused",
    "invited",
    "subscribed",
    "unsubscribed",
    "threshold_added",
    "threshold_enabled",
    "threshold_disabled",
    "threshold_deleted",
    "refused_unit",
    "account_created",
    "account_changed",
    "account_disabled",
    "unit_removed",
)


@dataclass(frozen=True)
class Member:
    """An account as others see it: no name is kept, so unit and position say who it is."""

    account_id: str
    position: str
    units: frozenset[str]
    status: str

    def title(self, publication: Publication | None, language: Language) -> str:
        """Unit, position and id."""
        key = f"position.{self.position}"
        position = say(key, language) if has_words(key) else self.position
        units = unit_names(publication, self.units, language)
        return f"{units} · {position} · {self.account_id}"


def subordinates(
    connection: Connection, person: Person, publication: Publication | None
) -> dict[str, Member]:
    """Accounts all of whose units lie strictly below the person's own."""
    if publication is None:
        return {}
    org = publication.org
    units: dict[str, set[str]] = defaultdict(set)
    for row in connection.execute(
        sa.select(role_assignment.c.account_id, role_assignment.c.unit_id)
    ):
        units[row.account_id].add(row.unit_id)
    found = {}
    for row in connection.execute(sa.select(account).order_by(account.c.account_id)):
        own = units[row.account_id]
        is_below = own and all(
            org.is_within(unit, person.units) and unit not in person.units for unit in own
        )
        if row.account_id != person.account_id and is_below:
            found[row.account_id] = Member(row.account_id, row.position, frozenset(own), row.status)
    return found


@dataclass(frozen=True)
class Entry:
    """One line of the log."""

    at: datetime
    who: str
    by: str
    action: str
    detail: str


def add_to(app: FastAPI, desk: Desk, pages: Pages) -> None:
    """Add the page of this module."""

    @app.get("/audit")
    def log_page(request: Request) -> Response:
        person = desk.require(request, "audit")
        language = pages.language(request)
        publication = desk.publication()
        asked = request.query_params.get("person", "")
        action = request.query_params.get("action", "")
        number = _page_number(request.query_params.get("page", "1"))
        with reading(desk.engine) as connection:
            below = subordinates(connection, person, publication)
            own = Member(person.account_id, person.position, person.units, "active")
            visible = {own.account_id: own, **below}
            if asked and asked != "all" and asked not in visible:
                raise Refused(404, "refused.person")
            chosen = list(visible) if asked == "all" else [asked or own.account_id]
            rows, more = _events(connection, chosen, action, number)
        entries = [
            Entry(
                row.at,
                _who(row.account_id, visible, person, publication, language),
                _who(row.actor, visible, person, publication, language),
                say(f"action.{row.action}", language)
                if has_words(f"action.{row.action}")
                else row.action,
                _detail(desk, row.action, row.detail or {}, publication, language),
            )
            for row in rows
        ]
        return pages.show(
            request,
            "audit",
            person,
            entries=entries,
            people=[(m.account_id, m.title(publication, language)) for m in below.values()],
            chosen_person=asked,
            chosen_action=action,
            actions=ACTIONS,
            number=number,
            more=more,
        )


def _page_number(text: str) -> int:
    return int(text) if text.isdecimal() and 0 < int(text[:6]) < 100_000 else 1


_IN_ONE_QUERY = 900


def _events(
    connection: Connection, accounts: list[str], action: str, number: int
) -> tuple[list[Any], bool]:
    """One page of events, the newest first, and whether there are more."""
    query = sa.select(audit_event)
    if len(accounts) <= _IN_ONE_QUERY:
        query = query.where(audit_event.c.account_id.in_(accounts))
    else:
        wanted = sa.func.json_each(sa.type_coerce(accounts, sa.JSON)).table_valued("value")
        query = query.where(audit_event.c.account_id.in_(sa.select(wanted.c.value)))
    if action:
        query = query.where(audit_event.c.action == action)
    query = query.order_by(audit_event.c.at.desc(), audit_event.c.audit_event_id.desc())
    rows = connection.execute(query.limit(PAGE + 1).offset((number - 1) * PAGE)).all()
    return list(rows[:PAGE]), len(rows) > PAGE


def _who(
    identity: str,
    visible: dict[str, Member],
    person: Person,
    publication: Publication | None,
    language: Language,
) -> str:
    if identity == person.account_id:
        return say("audit.me", language)
    if identity in visible:
        return visible[identity].title(publication, language)
    key = f"actor.{identity}"
    # A superior who acted on this account is told by id: their units may not be this person's.
    return say(key, language) if has_words(key) else identity


def _detail(
    desk: Desk,
    action: str,
    detail: dict[str, Any],
    publication: Publication | None,
    language: Language,
) -> str:
    """What the event was about, in plain words; unknown details are left out."""
    if "digest" in detail:
        digest = desk.digests.get(str(detail["digest"]))
        return digest.label.text(language) if digest else str(detail["digest"])
    if "figure" in detail:
        figure = desk.figures.get(str(detail["figure"]))
        unit = _unit(str(detail.get("unit", WHOLE)), publication, language)
        label = figure.label.text(language) if figure else str(detail["figure"])
        return f"{unit} · {label}"
    if action == "refused_unit":
        return str(detail.get("unit", ""))
    if action == "unit_removed":
        return _unit(str(detail.get("unit_id", "")), publication, language)
    if detail.get("phone_changed"):
        return say("audit.phone_changed", language)
    return ""


def _unit(unit_id: str, publication: Publication | None, language: Language) -> str:
    return publication.org.name(unit_id, language) if publication else unit_id
