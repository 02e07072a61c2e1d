"""The start page: the newest figures of each digest, what is subscribed, what was sent lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.responses import Response

from cubes.errors import CubeError
from cubes.label import Label
from notifications.digest import Digest
from notifications.errors import NotificationError
from notifications.portal.desk import Desk
from notifications.portal.failure import log_failure
from notifications.portal.page import Pages, unit_names
from notifications.portal.report import tiles_of
from notifications.portal.shown import Shown, compared_with
from notifications.schema import message
from notifications.store import reading
from notifications.subscription import subscriptions_of

_MESSAGES = 5
_TILES = 3


@dataclass(frozen=True)
class Newest:
    """The first figures of one digest on its newest complete day, or that they failed."""

    digest: Digest
    day: date
    tiles: tuple[Shown, ...]
    compared: str
    is_failed: bool = False


@dataclass(frozen=True)
class Sent:
    """A message to this person."""

    at: datetime
    label: Label | None
    kind: str
    text: str
    state: str


def add_to(app: FastAPI, desk: Desk, pages: Pages) -> None:
    """Add the page of this module."""

    @app.get("/")
    def start_page(request: Request) -> Response:
        person = desk.require(request)
        language = pages.language(request)
        publication = desk.publication()
        with reading(desk.engine) as connection:
            mine = subscriptions_of(connection, person.account_id)
            rows = connection.execute(
                sa.select(message)
                .where(message.c.account_id == person.account_id, message.c.kind != "account")
                .order_by(message.c.created_at.desc(), message.c.dedupe_key)
                .limit(_MESSAGES)
            ).all()
        newest: list[Newest] = []
        unit_id = None
        if publication is not None and publication.org.knows_any(person.units):
            unit_id = desk.unit_of(person, publication, None)
            for digest in desk.digests.values():
                day = publication.newest_complete(digest.freshness, publication.business_date)
                if day is None:
                    continue
                try:
                    tiles = tiles_of(desk, publication, digest, unit_id, day, language)
                except (NotificationError, CubeError) as error:
                    log_failure(f"Figures of '{digest.digest}' for the start page", error)
                    newest.append(Newest(digest, day, (), "", is_failed=True))
                    continue
                compared = next(
                    (compared_with(t.figure, language) for t in tiles if t.figure.compare), ""
                )
                newest.append(Newest(digest, day, tiles[:_TILES], compared))
        sent = [
            Sent(
                row.created_at,
                desk.digests[row.subject_id].label if row.subject_id in desk.digests else None,
                row.kind,
                row.text,
                row.state,
            )
            for row in rows
        ]
        return pages.show(
            request,
            "start",
            person,
            units=unit_names(publication, person.units, language),
            unit=publication.org.name(unit_id, language) if publication and unit_id else "",
            newest=newest,
            mine=mine,
            sent=sent,
            publication=publication,
        )
