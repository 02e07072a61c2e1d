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
from dashboards.dataset import Dataset
from dashboards.declaration import Chart, Dashboard

Problem = tuple[Sequence[Any], str]


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
    for dashboard, path in dashboards.values():
        data = read_yaml(path, [])
        for where, message in _problems(catalogue, warehouse, dashboard):
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


def _chart_problems(catalogue: Catalogue, warehouse: Warehouse, chart: Chart) -> Iterator[Problem]:
    if chart.cube is None:
        return
    cube, problem = _cube(catalogue, warehouse, chart.cube)
    if cube is None:
        yield ("cube",), problem
        return
    dataset = Dataset(catalogue, warehouse, cube, "zh")
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
    for key in ("by", "across"):
        for number, name in enumerate(getattr(chart, key)):
            found = _name_problem(catalogue, warehouse, cube, name)
            if found is not None:
                yield (key, number), found
    if chart.time not in (None, "none", *cube.time):
        yield ("time",), f"there is no time '{chart.time}'{suggest(str(chart.time), cube.time)}"
    if chart.time is None and cube.default_time is None:
        yield ("cube",), f"cube '{cube.cube}' has no time; say 'time: none'"
    if chart.compare is not None and chart.time == "none":
        yield ("compare",), "a number without a time has no previous period"
    if chart.order is not None and chart.order not in chart.measures:
        yield ("order",), f"'{chart.order}' is none of the chart's measures"


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
        found = _name_problem(catalogue, warehouse, cube, member.by)
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


def _name_problem(catalogue: Catalogue, warehouse: Warehouse, cube: Cube, name: str) -> str | None:
    """Why a name of `by` leads to no column that people read."""
    known = known_names(catalogue, cube) or set()
    if name not in known:
        offered = {found for found in axis_names(catalogue, warehouse, cube) if found in known}
        return f"cube '{cube.cube}' has no '{name}'{suggest(name, offered or known)}"
    role, _, grain = name.partition(".")
    if role in cube.time:
        if cube.time[role].grain == "month" and grain in GRAINS[3:]:
            return f"cube '{cube.cube}' knows months only"
        return None
    dataset = Dataset(catalogue, warehouse, cube, "zh")
    if dataset.member_column(name) is None and dataset.member_column(f"{role}.unit") is None:
        return f"'{name}' has no column that people read; name one of its levels or attributes"
    return None
