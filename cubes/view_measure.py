"""Measures as aggregates over a cube's view, for tools that write the rest of the query.

The expression gives in any grouping and under any filter of the view's rows the number that the
cube's own query gives.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from cubes.catalogue import Catalogue
from cubes.cube import FACT, Cube, Measure
from cubes.derived import derived
from cubes.figures import aggregate
from cubes.sql import Node, coalesce, column, equal, number

Edge = Callable[[str], str]
"""Gives the SQL of the day a measure `over_time: last` (or `first`) is taken at."""

_DAY = "__day_{}__"


def view_measure_sql(
    catalogue: Catalogue, cube: Cube, name: str, *, time: str | None, day: Edge
) -> str | None:
    """The SQL aggregate of one measure over the view's columns.

    `time` is the view's column of the cube's default time; `day` is asked for the day of a measure
    over time. None where one view cannot give the number: a ratio that names another cube, what is
    shrunk to a share of other rows, and an average over days.
    """
    node = _node(catalogue, cube, cube.measures[name], time)
    if node is None:
        return None
    for found in list(node.find_all(exp.Column)):
        if found.table and found.table != FACT:
            found.set("this", exp.Identifier(this=f"{found.table}__{found.name}"))
        found.set("table", None)
    sql = node.sql(dialect="duckdb")
    for end in ("first", "last"):
        place = _DAY.format(end)
        if place in sql:
            sql = sql.replace(place, day(end))
    return sql


def _node(catalogue: Catalogue, cube: Cube, measure: Measure, time: str | None) -> Node | None:
    if measure.shrunk is not None:
        return None
    if measure.agg is None:
        nodes: dict[str, Node] = {}
        for side in cube.parts_of(measure):
            found = cube.measures.get(side)
            inner = None if found is None else _node(catalogue, cube, found, time)
            if inner is None:
                return None
            nodes[side] = inner
        return derived(cube, measure, value := lambda side: nodes[side].copy(), value)
    if measure.over_time is None:
        return aggregate(measure, [])
    if measure.over_time == "avg" or time is None:
        return None
    node = aggregate(measure, [equal(column(time), column(_DAY.format(measure.over_time)))])
    return coalesce(node, number(0)) if measure.agg == "sum" else node
