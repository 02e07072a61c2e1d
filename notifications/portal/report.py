"""The report behind a digest: figures, the last four weeks, the units below, what it all means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from cubes.errors import CubeError
from cubes.label import Language
from notifications.account import WHOLE
from notifications.digest import Digest
from notifications.errors import NotificationError
from notifications.portal.chart import NARROW, WIDE, Series, draw
from notifications.portal.desk import Desk, Refused
from notifications.portal.failure import log_failure
from notifications.portal.page import Pages
from notifications.portal.session import Person
from notifications.portal.shown import Figure, Shown, compared_with, figure_of, shown
from notifications.publication import Publication, as_date, as_decimal

TREND_DAYS = 28
_OLDEST = timedelta(days=400)


@dataclass(frozen=True)
class Below:
    """A unit under the one of the report, its figures, and by what it is ordered."""

    unit_id: str
    name: str
    cells: tuple[Shown, ...]
    size: Decimal


@dataclass(frozen=True)
class Report:
    """Everything a report shows."""

    unit_id: str
    unit: str
    day: date
    newest: date
    tiles: tuple[Shown, ...]
    columns: tuple[Figure, ...]
    below: tuple[Below, ...]
    charts: tuple[str, str] | None
    chart_label: str
    gaps: tuple[date, ...]
    compared: str


def plain_values(digest: Digest, *, with_stocks: bool) -> dict[str, tuple[str, str, bool]]:
    """Values of a digest that are one figure: table, measure, and whether none means zero."""
    return {
        name: (value.table, value.measure, value.zero)
        for name, value in digest.values.items()
        if value.top is None and (with_stocks or not digest.tables[value.table].stock)
    }


def tiles_of(
    desk: Desk,
    publication: Publication,
    digest: Digest,
    unit_id: str,
    day: date,
    language: Language,
) -> tuple[Shown, ...]:
    """The figures of one unit; stocks only where they are of that day."""
    scope = None if unit_id == WHOLE else frozenset({unit_id})
    values = plain_values(digest, with_stocks=day == publication.business_date)
    rows: dict[str, Mapping[str, Any] | None] = {}
    for table in {table for table, _, _ in values.values()}:
        query = digest.tables[table].query
        answer = publication.figures(query, {"business_date": day}, scope, ()).rows
        rows[table] = answer[0] if answer else None
    return tuple(
        shown(
            figure_of(desk.catalogue, digest.tables[table].query, measure, language),
            rows[table],
            zero,
            language,
            publication.currency,
        )
        for table, measure, zero in values.values()
    )


def report_of(
    desk: Desk,
    publication: Publication,
    digest: Digest,
    unit_id: str,
    day: date,
    newest: date,
    language: Language,
) -> Report:
    """Compute a report; raises FigureError and QueryError."""
    tiles = tiles_of(desk, publication, digest, unit_id, day, language)
    columns = tuple(tile.figure for tile in tiles)
    first = day - timedelta(days=TREND_DAYS - 1)
    series = _series(desk, publication, digest, unit_id, day, language)
    return Report(
        unit_id,
        publication.org.name(unit_id, language),
        day,
        newest,
        tiles,
        columns,
        _below(desk, publication, digest, unit_id, day, language),
        None if series is None else (draw(series, WIDE), draw(series, NARROW)),
        "" if series is None else series.label,
        publication.gaps(digest.freshness, first, day),
        next((compared_with(figure, language) for figure in columns if figure.compare), ""),
    )


def _series(
    desk: Desk,
    publication: Publication,
    digest: Digest,
    unit_id: str,
    day: date,
    language: Language,
) -> Series | None:
    trend = digest.trend
    if trend is None:
        return None
    scope = None if unit_id == WHOLE else frozenset({unit_id})
    rows = publication.figures(
        trend.query, {"business_date": day, "days": TREND_DAYS}, scope, (trend.day,)
    ).rows
    by_day = {as_date(row[trend.day]): as_decimal(row, trend.measure, trend.query) for row in rows}
    first = day - timedelta(days=TREND_DAYS - 1)
    gaps = set(publication.gaps(digest.freshness, first, day))
    days = [first + timedelta(days=step) for step in range(TREND_DAYS)]
    figure = figure_of(desk.catalogue, trend.query, trend.measure, language)
    return Series(
        tuple((one, None if one in gaps else by_day.get(one, Decimal(0))) for one in days),
        figure.label,
        figure.format,
        language,
        publication.currency,
    )


def _below(
    desk: Desk,
    publication: Publication,
    digest: Digest,
    unit_id: str,
    day: date,
    language: Language,
) -> tuple[Below, ...]:
    """The units just below with the same figures, the largest first."""
    children = publication.org.children(unit_id)
    if not children:
        return ()
    scope = None if unit_id == WHOLE else frozenset({unit_id})
    level = publication.org.level(children[0]) or 1
    values = plain_values(digest, with_stocks=day == publication.business_date)
    by_unit: dict[str, dict[str, Mapping[str, Any]]] = {}
    for table in {table for table, _, _ in values.values()}:
        query = digest.tables[table].query
        answer = publication.figures(query, {"business_date": day}, scope, (f"org.l{level}",))
        by_unit[table] = {
            unit: row
            for row in answer.rows
            if (unit := publication.org.column_id(row, level)) is not None
        }
    found = []
    for child in children:
        cells = tuple(
            shown(
                figure_of(desk.catalogue, digest.tables[table].query, measure, language),
                by_unit[table].get(child),
                zero,
                language,
                publication.currency,
            )
            for table, measure, zero in values.values()
        )
        table, measure, _ = next(iter(values.values()))
        row = by_unit[table].get(child)
        size = row and as_decimal(row, measure, digest.tables[table].query)
        found.append(Below(child, publication.org.name(child, language), cells, size or Decimal(0)))
    return tuple(sorted(found, key=lambda one: (-one.size, one.unit_id)))


def crumbs(
    publication: Publication, person: Person, unit_id: str, language: Language
) -> list[tuple[str, str]]:
    """Units from the person's own down to the one shown, with their names."""
    path = []
    for unit in publication.org.upwards(unit_id):
        if not publication.org.is_within(unit, person.units):
            break
        path.append((unit, publication.org.name(unit, language)))
    return path[::-1]


def asked_day(text: str | None, newest: date) -> date:
    """The business date asked for; raises Refused for one that no report can have."""
    if not text:
        return newest
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Refused(404, "refused.day") from error
    if not newest - _OLDEST <= day <= newest:
        raise Refused(404, "refused.day")
    return day


def add_to(app: FastAPI, desk: Desk, pages: Pages) -> None:
    """Add the page of this module."""

    @app.get("/reports/{digest_id}")
    def report_page(request: Request, digest_id: str) -> Response:
        person = desk.require(request, "subscribe")
        digest = desk.digests.get(digest_id)
        if digest is None:
            raise Refused(404, "refused.page")
        publication = desk.publication()
        if publication is None:
            return pages.show(request, "nothing_yet", person, title=digest.label)
        language = pages.language(request)
        unit_id = desk.unit_of(person, publication, request.query_params.get("unit"))
        newest = publication.newest_complete(digest.freshness, publication.business_date)
        if newest is None:
            return pages.show(request, "not_here", person, digest=digest)
        day = asked_day(request.query_params.get("date"), newest)
        try:
            report = report_of(desk, publication, digest, unit_id, day, newest, language)
        except (NotificationError, CubeError) as error:
            log_failure(f"The report of '{digest.digest}'", error)
            raise Refused(500, "refused.figures") from error
        path = crumbs(publication, person, unit_id, language)
        others = sorted(person.units) if len(person.units) > 1 else []
        return pages.show(
            request,
            "report",
            person,
            digest=digest,
            report=report,
            crumbs=path[:-1],
            own_units=[
                (unit, publication.org.name(unit, language))
                for unit in others
                if publication.org.level(unit) is not None
            ],
            publication=publication,
            earlier=day - timedelta(days=1),
            later=day + timedelta(days=1) if day < newest else None,
        )
