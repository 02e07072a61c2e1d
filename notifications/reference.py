"""Checks between declarations: digests and rules against the named queries they ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cubes.catalogue import Catalogue
from cubes.cube import Cube
from cubes.declaration import suggest
from cubes.errors import DeclarationError, Fault
from cubes.label import LANGUAGES
from cubes.named_query import NamedQuery
from notifications.alert.rule import Rule
from notifications.digest import BELOW, Digest
from notifications.template import used
from notifications.threshold import ThresholdFigure


def check_references(
    catalogue: Catalogue,
    digests: Mapping[str, Digest],
    rules: Mapping[str, Rule],
    figures: Mapping[str, ThresholdFigure] | None = None,
) -> None:
    """Raise DeclarationError with every name that no query, measure or dimension answers to."""
    faults = [
        Fault(f"digests/{name}.yml", 0, message)
        for name, digest in digests.items()
        for message in _digest_problems(catalogue, digest)
    ]
    faults += [
        Fault(f"alerts/{name}.yml", 0, message)
        for name, rule in rules.items()
        for message in _rule_problems(catalogue, rule)
    ]
    faults += [
        Fault(f"thresholds/{name}.yml", 0, message)
        for name, figure in (figures or {}).items()
        for message in _figure_problems(catalogue, figure)
    ]
    if faults:
        raise DeclarationError("notification", faults)


def _digest_problems(catalogue: Catalogue, digest: Digest) -> Iterator[str]:
    printed = {
        name
        for line in digest.lines
        for language in LANGUAGES
        for name in used(line.source(language))
    }
    for name, table in digest.tables.items():
        query = _cube_query(catalogue, table.query)
        if query is None:
            yield f"table '{name}': {_unknown_query(catalogue, table.query)}"
            continue
        cube = catalogue.cube(query.cube or "")
        for dimension in table.by:
            if dimension != BELOW:
                yield from _dimension_problems(f"table '{name}'", cube, dimension)
        if query.by:
            yield f"table '{name}': query '{query.query}' is already split by {list(query.by)}"
        for value_name, value in digest.values.items():
            if value.table != name:
                continue
            yield from _measure_problems(f"value '{value_name}'", query, [value.measure])
            compared = sorted(n for n in printed if n.startswith(f"{value_name}_"))
            if query.compare is None and compared and not set(compared) <= set(digest.values):
                yield f"'{compared[0]}' is used, but query '{query.query}' compares nothing"

    if digest.trend is not None:
        query = _cube_query(catalogue, digest.trend.query)
        if query is None:
            yield f"'trend': {_unknown_query(catalogue, digest.trend.query)}"
            return
        yield from _measure_problems("'trend'", query, [digest.trend.measure])
        yield from _day_problems(catalogue.cube(query.cube or ""), digest.trend.day)


def _rule_problems(catalogue: Catalogue, rule: Rule) -> Iterator[str]:
    query = _cube_query(catalogue, rule.query)
    if query is None:
        yield _unknown_query(catalogue, rule.query)
        return
    cube = catalogue.cube(query.cube or "")
    measures = [rule.measure, rule.volume_measure, rule.contribution_measure]
    measures += [] if rule.newest is None else [rule.newest]
    yield from _measure_problems("the rule", query, measures)
    if rule.day is not None:
        yield from _day_problems(cube, rule.day)
    if rule.explained_by is not None:
        yield from _dimension_problems("'explained_by'", cube, rule.explained_by)


def _figure_problems(catalogue: Catalogue, figure: ThresholdFigure) -> Iterator[str]:
    query = _cube_query(catalogue, figure.query)
    if query is None:
        yield _unknown_query(catalogue, figure.query)
        return
    cube = catalogue.cube(query.cube or "")
    yield from _measure_problems("the threshold", query, [figure.measure, figure.volume])
    if figure.day is not None:
        yield from _day_problems(cube, figure.day)
    if figure.history == "days" and (figure.day is None or "days" not in query.parameters):
        yield "history 'days' needs a 'day' and a query with the parameter 'days'"
    if figure.explained_by is not None:
        yield from _dimension_problems("'explained_by'", cube, figure.explained_by)


def _day_problems(cube: Cube, day: str) -> Iterator[str]:
    role, _, grain = day.partition(".")
    if role not in cube.time or grain != "day":
        known = [f"{name}.day" for name in cube.time]
        yield f"'day' cannot be '{day}'{suggest(day, known)}"


def _cube_query(catalogue: Catalogue, name: str) -> NamedQuery | None:
    """The named query if it asks a cube; a select has no measures."""
    query = catalogue.queries.get(name)
    return query if query is not None and query.cube is not None else None


def _unknown_query(catalogue: Catalogue, name: str) -> str:
    if name in catalogue.queries:
        return f"query '{name}' is a select and has no measures"
    return f"there is no query '{name}'{suggest(name, catalogue.queries)}"


def _measure_problems(what: str, query: NamedQuery, measures: Iterable[str]) -> Iterator[str]:
    for measure in sorted(set(measures)):
        if measure not in query.measures:
            yield (
                f"{what}: query '{query.query}' has no measure '{measure}'"
                f"{suggest(measure, query.measures)}"
            )


def _dimension_problems(what: str, cube: Cube, name: str) -> Iterator[str]:
    role = name.partition(".")[0]
    known = {*cube.joins, *cube.dimensions, *cube.time}
    if role not in known:
        yield f"{what}: cube '{cube.cube}' has no dimension '{role}'{suggest(role, known)}"
