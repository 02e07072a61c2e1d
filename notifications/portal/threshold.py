"""Thresholds of one's own: make one, try it on history, switch it on and off, delete it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import sqlalchemy as sa
from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response

from cubes.errors import CubeError
from cubes.label import Language
from notifications.errors import NotificationError, ThresholdError
from notifications.portal.desk import Desk, Refused, posted
from notifications.portal.failure import log_failure
from notifications.portal.page import Pages, goto
from notifications.portal.session import Person
from notifications.portal.shown import value_text
from notifications.publication import Publication
from notifications.schema import alert_state
from notifications.store import reading
from notifications.threshold import (
    HISTORY,
    Direction,
    Threshold,
    ThresholdFigure,
    add_threshold,
    backtest,
    delete_threshold,
    new_id,
    rule_of,
    switch_threshold,
    thresholds_of,
)

_LARGEST = Decimal(10) ** 15
_SHOWN_DAYS = 20
_MOST_UNITS = 400


def read_number(text: str, figure: ThresholdFigure, key: str) -> Decimal:
    """A number as people type it; a percentage becomes a fraction. ValueError names the fault."""
    cleaned = text.strip().replace(",", "").replace("，", "").rstrip("%％")
    try:
        number = Decimal(cleaned)
    except InvalidOperation as error:
        raise ValueError(key) from error
    if not number.is_finite() or abs(number) >= _LARGEST:
        raise ValueError(key)
    return number / 100 if figure.format == "percent" else number


def units_of(
    publication: Publication, person: Person, language: Language
) -> list[tuple[str, str, int]]:
    """Units of the jurisdiction as a list to choose from, indented by depth, the nearest first."""
    roots = sorted(u for u in person.units if publication.org.level(u) is not None)
    found: list[tuple[str, str, int]] = []
    layer = [(root, 0) for root in roots]
    order: list[tuple[str, int]] = []
    while layer and len(order) < _MOST_UNITS:
        order += layer
        layer = [(c, depth + 1) for unit, depth in layer for c in publication.org.children(unit)]
    kept = dict(order[:_MOST_UNITS])

    def walk(unit: str) -> None:
        found.append((unit, publication.org.name(unit, language), kept[unit]))
        for child in publication.org.children(unit):
            if child in kept:
                walk(child)

    for root in roots:
        if root in kept and root not in {unit for unit, _, _ in found}:
            walk(root)
    return found


def add_to(app: FastAPI, desk: Desk, pages: Pages) -> None:
    """Add the pages of this module."""

    def page(request: Request, person: Person, **values: Any) -> Response:
        publication = desk.publication()
        language = pages.language(request)
        with reading(desk.engine) as connection:
            own = thresholds_of(connection, person.account_id)
            query = sa.select(alert_state.c.rule_id, alert_state.c.state).where(
                alert_state.c.rule_id.in_([one.rule_id for one in own])
            )
            states = {row.rule_id: row.state for row in connection.execute(query)}
        listed = [
            {
                "one": one,
                "label": figure.label.text(language) if figure else one.figure,
                "unit": publication.org.name(one.unit_id, language) if publication else "",
                "limit": _said(one.limit, figure, language, publication),
                "is_firing": states.get(one.rule_id) in ("firing", "recovering"),
            }
            for one in own
            for figure in [desk.figures.get(one.figure)]
        ]
        shown = {"trial": None, "error": None, "form": _empty(desk), **values}
        return pages.show(
            request,
            "thresholds",
            person,
            status=422 if shown["error"] else 200,
            listed=listed,
            figures=_offered(desk, publication),
            units=units_of(publication, person, language) if publication else [],
            publication=publication,
            **shown,
        )

    @app.get("/thresholds")
    def list_page(request: Request) -> Response:
        return page(request, desk.require(request, "threshold"))

    @app.post("/thresholds")
    def try_or_save(request: Request, form: Mapping[str, str] = Depends(posted)) -> Response:
        person = desk.require_form(request, form, "threshold")
        publication = desk.publication()
        if publication is None:
            key = "refused.unreadable" if desk.is_unreadable() else "refused.nothing_yet"
            raise Refused(404, key)
        given = {**_empty(desk), **{k: v for k, v in form.items() if k != "csrf"}}
        unit_id = desk.unit_of(person, publication, form.get("unit"))
        try:
            one = _read(desk, person, form, unit_id)
        except ValueError as error:
            return page(request, person, form=given, error=str(error))
        figure = desk.figures[one.figure]
        try:
            rule_of(one, figure, publication.org.level(unit_id) or 0)
        except ThresholdError:
            return page(request, person, form=given, error="threshold.wrong_recover")
        if form.get("action") == "save":
            try:
                with desk.engine.begin() as connection:
                    add_threshold(connection, one, desk.now())
            except ThresholdError:
                return page(request, person, form=given, error="threshold.too_many")
            return goto("/thresholds", "threshold_saved")
        try:
            found = backtest(one, figure, publication)
        except (NotificationError, CubeError) as error:
            log_failure(f"The trial of a threshold on '{one.figure}'", error)
            raise Refused(500, "refused.figures") from error
        language = pages.language(request)
        values = [value for _, value in found.values if value is not None]
        trial = {
            "figure": figure,
            "limit": _said(one.limit, figure, language, publication),
            "direction": one.direction,
            "unit": publication.org.name(unit_id, language),
            "count": len(found.fired),
            "fired": [
                (day, _said(value, figure, language, publication))
                for day, value in found.fired[::-1][:_SHOWN_DAYS]
            ],
            "more": max(0, len(found.fired) - _SHOWN_DAYS),
            "days": found.days,
            "first": found.first,
            "last": found.last,
            "is_present_only": figure.history == "none",
            "lowest": _said(min(values), figure, language, publication) if values else None,
            "highest": _said(max(values), figure, language, publication) if values else None,
            "newest": _said(values[-1], figure, language, publication) if values else None,
            "history": HISTORY,
        }
        return page(request, person, form=given, trial=trial)

    def switched(
        request: Request, identity: str, form: Mapping[str, str], *, on: bool, done: str
    ) -> Response:
        person = desk.require_form(request, form, "threshold")
        with desk.engine.begin() as connection:
            if not switch_threshold(connection, person.account_id, identity, desk.now(), on=on):
                raise Refused(404, "refused.page")
        return goto("/thresholds", done)

    @app.post("/thresholds/{identity}/on")
    def switch_on(
        request: Request, identity: str, form: Mapping[str, str] = Depends(posted)
    ) -> Response:
        return switched(request, identity, form, on=True, done="threshold_on")

    @app.post("/thresholds/{identity}/off")
    def switch_off(
        request: Request, identity: str, form: Mapping[str, str] = Depends(posted)
    ) -> Response:
        return switched(request, identity, form, on=False, done="threshold_off")

    @app.post("/thresholds/{identity}/delete")
    def delete(
        request: Request, identity: str, form: Mapping[str, str] = Depends(posted)
    ) -> Response:
        person = desk.require_form(request, form, "threshold")
        with desk.engine.begin() as connection:
            if not delete_threshold(connection, person.account_id, identity, desk.now()):
                raise Refused(404, "refused.page")
        return goto("/thresholds", "threshold_deleted")


def _empty(desk: Desk) -> dict[str, str]:
    first = next(iter(desk.figures.values()), None)
    return {
        "figure": first.figure if first else "",
        "unit": "",
        "direction": first.direction if first else "above",
        "limit": "",
        "recover": "",
    }


def _offered(desk: Desk, publication: Publication | None) -> list[ThresholdFigure]:
    """Figures whose sources this installation reads."""
    return [
        figure
        for figure in desk.figures.values()
        if publication is None or publication.needed(figure.freshness)
    ]


def _read(desk: Desk, person: Person, form: Mapping[str, str], unit_id: str) -> Threshold:
    """The threshold of a form; raises ValueError with the key of what is wrong."""
    figure = desk.figures.get(form.get("figure", ""))
    if figure is None:
        raise ValueError("threshold.no_figure")
    direction = form.get("direction", "")
    if direction not in ("above", "below"):
        raise ValueError("threshold.no_direction")
    limit = read_number(form.get("limit", ""), figure, "threshold.wrong_limit")
    recover = form.get("recover", "").strip()
    one = Threshold(
        new_id(),
        person.account_id,
        figure.figure,
        unit_id,
        cast(Direction, direction),
        limit,
        None,
    )
    if not recover:
        return one
    return replace(one, recover=read_number(recover, figure, "threshold.wrong_recover"))


def _said(
    value: Decimal,
    figure: ThresholdFigure | None,
    language: Language,
    publication: Publication | None,
) -> str:
    currency = publication.currency if publication else "CNY"
    return value_text(value, figure.format if figure else "number", language, currency)
