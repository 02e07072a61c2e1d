"""The people below: who has an account, whether it is in use, and a new initial password."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response

from notifications.audit import note
from notifications.credential import may_reset, reset
from notifications.errors import CredentialError
from notifications.portal.audit import subordinates
from notifications.portal.desk import Desk, Refused, posted
from notifications.portal.page import Pages, goto
from notifications.schema import credential
from notifications.store import reading


def add_to(app: FastAPI, desk: Desk, pages: Pages) -> None:
    """Add the pages of this module."""

    @app.get("/people")
    def list_page(request: Request) -> Response:
        person = desk.require(request, "accounts")
        language = pages.language(request)
        publication = desk.publication()
        wall = desk.wall_clock()
        with reading(desk.engine) as connection:
            below = subordinates(connection, person, publication)
            known = {row.account_id: row for row in connection.execute(sa.select(credential))}
        listed = []
        for one in below.values():
            row = known.get(one.account_id)
            if one.status != "active":
                state = "disabled"
            elif row is None:
                state = "none"
            elif row.locked_until is not None and row.locked_until > wall:
                state = "locked"
            else:
                state = "initial" if row.must_change else "chosen"
            listed.append((one, one.title(publication, language), state))
        return pages.show(request, "people", person, listed=listed)

    @app.post("/people/{account_id}/reset")
    def reset_password(
        request: Request, account_id: str, form: Mapping[str, str] = Depends(posted)
    ) -> Response:
        person = desk.require_form(request, form, "accounts")
        with desk.engine.begin() as connection:
            below = subordinates(connection, person, desk.publication())
            if account_id not in below:
                raise Refused(404, "refused.person")
            now, wall = desk.now(), desk.wall_clock()
            allowed = may_reset(connection, account_id, wall)
            if not allowed:
                note(connection, "reset_refused", account_id, now, actor=person.account_id)
            else:
                try:
                    reset(
                        connection,
                        desk.invitation(),
                        account_id,
                        now,
                        actor=person.account_id,
                        wall=wall,
                    )
                except CredentialError as error:
                    raise Refused(409, "refused.unreachable") from error
        # Only now: a refusal inside the transaction would take its event back.
        if not allowed:
            raise Refused(429, "refused.resets")
        return goto("/people", "reset")
