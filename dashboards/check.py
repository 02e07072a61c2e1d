"""Checks of declared dashboards: every name leads down to a cube and its mart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cubes.axis import axis_names
from cubes.catalogue import Catalogue
from cubes.consistency import known_names
from cubes.cube import GRAINS, Cube
from cubes.declaration import line_of, read_yaml, suggest
from cubes.errors import DeclarationError, Fault
from cubes.warehouse import Warehouse
from dashboards.chart import resolved
from dashboards.dataset import Dataset
from dashboards.declaration import Chart, Dashboard

Problem = tuple[Sequence[Any], str]

_NEVER_EMPTY = ("count", "count_distinct", "sum")


def require_sound(
    catalogue: Catalogue, warehouse: Warehouse, dashboards: Mapping[str, tuple[Dashboard, Path]]
) -> None:
    """Raise DeclarationError with every fault of all dashboards."""
    faults = dashboard_faults(catalogue, warehouse, dashboards)
    if faults:
        raise DeclarationError("dashboard", faults)


def dashboard_faults(
    catalogue: Catalogue, warehouse: Warehouse, dashboards: Mapping[str, tuple[Dashboard, Path]]
) -> list[Fault]:
    """Everything wrong with the dashboards, each at its file and line."""
    faults: list[Fault] = []
    pages: dict[str, str] = {}
    for slug, (dashboard, path) in dashboards.items():
        data = read_yaml(path, [])
        problems = list(_problems(catalogue, warehouse, dashboard))
        if dashboard.opens is not None:
            first = pages.setdefault(dashboard.opens, slug)
            if first != slug:
                text = f"dashboard '{first}' is already the page of '{dashboard.opens}'"
                problems.append((("opens",), text))
        for where, message in problems:
            place = ".".join(str(part) for part in where)
            faults.append(Fault(str(path), line_of(data, where), f"{place}: {message}"))
    return sorted(faults)


def _problems(
    catalogue: Catalogue, warehouse: Warehouse, dashboard: Dashboard
) -> Iterator[Problem]:
    for name, chart in dashboard.charts.items():
        for where, message in _chart_problems(catalogue, warehouse, chart):
            yield ("charts", name, *where), message
    yield from _filter_problems(catalogue, warehouse, dashboard)
    opens = dashboard.opens
    if opens is not None and opens not in {member.by for member in dashboard.filters.members}:
        yield ("opens",), f"no filter of the dashboard is by '{opens}'"
    placed: set[str] = set()
    for number, section in enumerate(dashboard.sections):
        for row_number, row in enumerate(section.rows):
            for name in row.charts:
                where = ("sections", number, "rows", row_number, "charts", name)
                if name not in dashboard.charts:
                    yield where, f"there is no chart '{name}'{suggest(name, dashboard.charts)}"
                elif name in placed:
                    yield where, "the chart already stands in another row"
                placed.add(name)
    for name in dashboard.charts:
        if name not in placed:
            yield ("charts", name), "the chart stands in no row of 'sections'"


def _chart_problems(
    catalogue: Catalogue, warehouse: Warehouse, declared: Chart
) -> Iterator[Problem]:
    if declared.query is not None:
        query = catalogue.queries.get(declared.query)
        if query is None:
            nearest = suggest(declared.query, catalogue.queries)
            yield ("query",), f"there is no query '{declared.query}'{nearest}"
            return
        if query.cube is None:
            yield ("query",), f"query '{declared.query}' is a select and asks no cube"
            return
    chart = resolved(declared, catalogue)
    if chart.cube is None:
        return
    cube, problem = _cube(catalogue, warehouse, chart.cube)
    if cube is None:
        yield ("cube" if declared.cube else "query",), problem
        return
    dataset = Dataset(catalogue, warehouse, cube, "zh")
    for where, message in _content_problems(dataset, chart):
        # What the query gave stands in no line of the chart but that of its name.
        is_own = bool(getattr(declared, str(where[0])))
        yield where if is_own else ("query" if declared.query else where[0],), message


def _content_problems(dataset: Dataset, chart: Chart) -> Iterator[Problem]:
    cube = dataset.cube
    for number, name in enumerate(chart.measures):
        if name not in cube.measures:
            yield (
                ("measures", number),
                f"cube '{cube.cube}' has no measure '{name}'{suggest(name, cube.measures)}",
            )
        elif name not in dataset.metrics:
            yield (
                ("measures", number),
                f"'{name}' cannot be given by the view of one cube, so no dataset has it: "
                f"{cube.measures[name].definition}",
            )
        elif not cube.measures[name].is_additive and _adds_up(chart):
            yield (
                ("measures", number),
                f"'{name}' does not add up, so it cannot be stacked, shared out or totalled by "
                "the browser; use a table with totals",
            )
    if chart.viz != "number" and chart.viz != "detail" and not chart.by:
        yield ("by",), f"a {chart.viz} needs 'by'"
    for key in ("by", "across"):
        for number, name in enumerate(getattr(chart, key)):
            found = _name_problem(dataset, name)
            if found is not None:
                yield (key, number), found
    for number, name in enumerate(chart.by[1:] + chart.across):
        role, _, grain = name.partition(".")
        if role in cube.time and grain not in ("", cube.time[role].grain):
            yield (
                ("by" if number < len(chart.by) - 1 else "across",),
                f"'{name}' is a time and stands first in 'by', or it is not truncated",
            )
    for number, name in enumerate(chart.fields):
        found = _field_problem(dataset, name)
        if found is not None:
            yield ("fields", number), found
    for name, codes in chart.cuts.items():
        found = _cut_problem(dataset, name, codes)
        if found is not None:
            yield ("cuts", name), found
    if chart.time not in (None, "none", *cube.time):
        yield ("time",), f"there is no time '{chart.time}'{suggest(str(chart.time), cube.time)}"
    if chart.time is None and cube.default_time is None:
        yield ("cube",), f"cube '{cube.cube}' has no time; say 'time: none'"
    if chart.compare is not None and chart.time == "none":
        yield ("compare",), "without a time there is no previous period"
    if chart.compare is not None and chart.viz == "number":
        for number, name in enumerate(chart.measures):
            if name in cube.measures and cube.measures[name].agg not in _NEVER_EMPTY:
                yield (
                    ("measures", number),
                    f"'{name}' may have no value, which Superset shows as 0 beside the previous "
                    "period; leave 'compare' out or take a count or a sum",
                )
    if chart.compare is not None and chart.viz == "line" and not _is_time(cube, chart.by):
        yield ("compare",), "a line beside the previous period runs over a time"
    for name in chart.targets:
        if name not in chart.measures:
            yield ("targets", name), f"'{name}' is none of the chart's measures"
    order = chart.order
    if order is not None and chart.viz == "detail":
        if order.removeprefix("-") not in chart.fields:
            yield ("order",), f"'{order}' is none of the chart's fields"
    elif order is not None and order not in chart.measures:
        yield ("order",), f"'{order}' is none of the chart's measures"


def _is_time(cube: Cube, by: Sequence[str]) -> bool:
    return bool(by) and by[0].partition(".")[0] in cube.time


def _field_problem(dataset: Dataset, name: str) -> str | None:
    """Why a field of a detail leads to no column that people read."""
    cube = dataset.cube
    role, _, part = name.partition(".")
    if name in cube.details:
        return None
    if role in cube.time and part in ("", "moment"):
        return None
    if role in cube.time:
        return f"'{name}' is no value of a row; write '{role}' or '{role}.moment'"
    known = known_names(dataset.catalogue, cube) or set()
    if name not in known:
        offered = {*known, *cube.details, *cube.time}
        return f"cube '{cube.cube}' has no '{name}'{suggest(name, offered)}"
    return _name_problem(dataset, name)


def _cut_problem(dataset: Dataset, name: str, codes: Sequence[str]) -> str | None:
    found = _name_problem(dataset, name)
    if found is not None:
        return found
    labels = dataset.labels_of(name)
    if not labels:
        return f"the values of '{name}' are not declared, so no code of it is known"
    wrong = [code for code in codes if code not in labels]
    return f"'{name}' has no value '{wrong[0]}'{suggest(wrong[0], labels)}" if wrong else None


def _adds_up(chart: Chart) -> bool:
    return chart.stacked or chart.viz == "pie" or (chart.viz == "pivot" and chart.totals)


def _filter_problems(
    catalogue: Catalogue, warehouse: Warehouse, dashboard: Dashboard
) -> Iterator[Problem]:
    offered: list[str] = []
    for number, member in enumerate(dashboard.filters.members):
        where = ("filters", "members", number)
        cube, problem = _cube(catalogue, warehouse, member.cube)
        if cube is None:
            yield (*where, "cube"), problem
            continue
        dataset = Dataset(catalogue, warehouse, cube, "zh")
        found = None if member.by in cube.details else _name_problem(dataset, member.by)
        if found is not None:
            yield (*where, "by"), found
        elif member.by.partition(".")[0] in cube.time:
            yield (*where, "by"), "a time is no choice of members; 'period' filters by time"
        if member.within is not None and member.within not in offered:
            yield (
                (*where, "within"),
                f"no filter before this one is by '{member.within}'"
                f"{suggest(member.within, offered)}",
            )
        offered.append(member.by)


def _cube(catalogue: Catalogue, warehouse: Warehouse, name: str) -> tuple[Cube | None, str]:
    cube = catalogue.cubes.get(name)
    if cube is None:
        return None, f"there is no cube '{name}'{suggest(name, catalogue.cubes)}"
    if cube.fact not in warehouse.tables:
        return None, f"cube '{name}' reads table '{cube.fact}', which no mart makes"
    return cube, ""


def _name_problem(dataset: Dataset, name: str) -> str | None:
    """Why a name of `by` leads to no column that people read."""
    catalogue, cube = dataset.catalogue, dataset.cube
    known = known_names(catalogue, cube) or set()
    if name not in known:
        axes = axis_names(catalogue, dataset.warehouse, cube)
        offered = {found for found in axes if found in known}
        return f"cube '{cube.cube}' has no '{name}'{suggest(name, offered or known)}"
    role, _, grain = name.partition(".")
    if role in cube.time:
        if cube.time[role].grain == "month" and grain in GRAINS[3:]:
            return f"cube '{cube.cube}' knows months only"
        return None
    if dataset.member_column(name) is None and dataset.member_column(f"{role}.unit") is None:
        return f"'{name}' has no column that people read; name one of its levels or attributes"
    return None
