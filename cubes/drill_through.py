"""Drilling through: the fact's rows behind a figure, with what people read of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from cubes.asked import asked_by
from cubes.binding import Binding, roles_in
from cubes.catalogue import Catalogue
from cubes.cube import FACT, Cube, Measure
from cubes.declaration import suggest
from cubes.errors import QueryError
from cubes.expression import parse_expression, plain_column
from cubes.figures import Selection, conditions, cut_roles, day_of_cut, edge
from cubes.member_check import check_fact, check_members
from cubes.member_label import asked_by_name
from cubes.plan import Plan, make_plan
from cubes.query import fetch, refused_query, type_name
from cubes.query_calendar import read_query_calendar
from cubes.question import CubeQuery
from cubes.result import Column, CubeResult
from cubes.scope import Scope
from cubes.sql import (
    Node,
    alias,
    all_of,
    any_of,
    column,
    is_null,
    join,
    ordered,
    select,
)
from cubes.view import ViewColumn, view_columns
from cubes.warehouse import Warehouse, read_warehouse

if TYPE_CHECKING:
    Connection = duckdb.DuckDBPyConnection

_SHOWN = ("detail", "instant", "time", "member")
MOST_ROWS = 1000
"""The rows given where the query names no limit."""


def drill_through(
    catalogue: Catalogue,
    connection: Connection,
    query: CubeQuery,
    *,
    columns: Sequence[str] = (),
    scope: Scope,
    business_date: date | None,
    language: str = "zh",
    warehouse: Warehouse | None = None,
    snapshot: str | None = None,
    most_rows: int | None = None,
) -> CubeResult:
    """The rows that the query's measures count, under its cuts, period and scope.

    A row is given once, if any of the measures counts it; of a balance those of the day it is taken
    at. `columns` are names of the cube's view (default: details, times, and what names each
    member); `order` names columns, `limit` is 1000 where none is asked. Moments are shown in
    the zone of the build. Raises QueryError for what cannot be answered as asked.
    """
    for key in ("compare", "fill"):
        if getattr(query, key) is not None:
            raise QueryError(
                zh=f"明细没有“{key}”；请去掉。", en=f"Rows have no '{key}'; leave it out."
            )
    if query.by or query.totals != "none":
        raise QueryError(
            zh="明细不分组；请去掉“by”和“totals”。",
            en="Rows are not grouped; leave 'by' and 'totals' out.",
        )
    if query.as_was:
        raise QueryError(
            zh="明细按现在的样子显示成员；请去掉“as_was”。",
            en="Rows show members as they are today; leave 'as_was' out.",
        )
    try:
        warehouse = warehouse or read_warehouse(connection)
        check_fact(catalogue, warehouse, query)
        calendar = read_query_calendar(connection, warehouse, query, business_date)
        binding = Binding(catalogue, warehouse, scope, business_date, language)
        # Columns are no columns of the plan, so its order is checked here.
        plan = make_plan(binding, query, calendar)
        statement, shown = rows_tree(
            binding, plan, columns, language=language, zone=_zone(connection, warehouse)
        )
        check_members(catalogue, connection, warehouse, query, scope, language)
        sql = statement.sql(dialect="duckdb")
        cursor = connection.execute(sql, binding.parameters)
        types = [str(item[1]) for item in cursor.description or ()]
        records = fetch(cursor, most_rows)
        asked = asked_by_name(connection, binding, plan.cube, asked_by(binding, plan))
    except duckdb.Error as error:
        raise refused_query(query, error) from error
    names = [found.name for found in shown]
    return CubeResult(
        columns=tuple(
            Column(
                found.name,
                found.label.text(language) if found.label else found.name,
                type_name(kind),
                "member" if found.kind == "member" else "detail",
            )
            for found, kind in zip(shown, types, strict=True)
        ),
        rows=[dict(zip(names, record, strict=True)) for record in records],
        totals=[],
        sql=sql,
        parameters=dict(binding.parameters),
        snapshot=snapshot,
        language=language,
        asked=asked,
    )


def _zone(connection: Connection, warehouse: Warehouse) -> str | None:
    """The operator's zone as the build noted it; None for other databases."""
    if "zone" not in warehouse.tables.get("build", {}):
        return None
    table = warehouse.table("build").sql(dialect="duckdb")
    row = connection.execute(f"select zone from {table}").fetchone()
    return None if row is None else str(row[0])


def row_columns(
    catalogue: Catalogue, cube: str, *, warehouse: Warehouse, language: str
) -> dict[str, str]:
    """The columns rows of a cube may show, with their labels."""
    known = view_columns(catalogue, cube, warehouse=warehouse, language=language, zone="UTC")
    return {
        found.name: found.label.text(language)
        for found in known
        if found.kind in _SHOWN and found.label
    }


def _chosen(cube: Cube, known: Sequence[ViewColumn], names: Sequence[str]) -> list[ViewColumn]:
    """The columns named, or those that tell a row to a person."""
    offered = {found.name: found for found in known if found.kind in _SHOWN and found.label}
    if names:
        unknown = [name for name in names if name not in offered]
        if unknown:
            told = "; ".join(f"'{name}'{suggest(name, offered)}" for name in unknown)
            told_zh = "、".join(f"“{name}”{suggest(name, offered, 'zh')}" for name in unknown)
            raise QueryError(
                zh=f"立方体“{cube.cube}”的明细没有列{told_zh}。现有的列：{'、'.join(offered)}。",
                en=f"Rows of cube '{cube.cube}' have no column {told}. "
                f"Columns are: {', '.join(offered)}.",
            )
        return [offered[name] for name in names]
    instants = {name.removesuffix("_at_local") for name in offered if name.endswith("_at_local")}
    leaves = {role: _leaf(role, list(offered.values())) for role in cube.joins}
    chosen = [
        found
        for found in offered.values()
        if found.kind in ("detail", "instant")
        or (found.kind == "time" and found.name.removesuffix("_on") not in instants)
        or found.name in leaves.values()
        or (found.axis in cube.dimensions)
    ]
    return sorted(chosen, key=lambda found: _SHOWN.index(found.kind))


def _leaf(role: str, columns: Sequence[ViewColumn]) -> str | None:
    """The column that names a joined member itself: its unit or label, else its finest level."""
    own = [found.name for found in columns if (found.axis or "").partition(".")[0] == role]
    for name in (f"{role}_unit", f"{role}_label"):
        if name in own:
            return name
    return own[-1] if own else None


def rows_tree(
    binding: Binding, plan: Plan, columns: Sequence[str], *, language: str, zone: str | None
) -> tuple[exp.Select, list[ViewColumn]]:
    """The statement that gives the rows of a plan, and the columns it shows; raises QueryError."""
    known = view_columns(
        binding.catalogue, plan.cube.cube, warehouse=binding.warehouse, language=language, zone=zone
    )
    shown = _chosen(plan.cube, known, columns)
    return (
        _statement(binding, plan.cube, plan.query, plan.selection, plan.measures, shown),
        shown,
    )


def _statement(
    binding: Binding,
    cube: Cube,
    query: CubeQuery,
    selection: Selection,
    measures: dict[str, Measure],
    shown: Sequence[ViewColumn],
) -> exp.Select:
    counted = list(_counted(binding, cube, selection, measures))
    limits = conditions(binding, cube, selection)
    if counted:
        limits.append(any_of(counted))
    nodes = [
        alias(column(found.name, FACT) if found.node is None else found.node, found.name)
        for found in shown
    ]
    # A plain column of the fact may have been computed from others where it is a time.
    tables = {node.table for part in (*nodes, *limits) for node in part.find_all(exp.Column)}
    roles = {table.removesuffix("__parent") for table in tables} & set(cube.joins)
    roles |= roles_in(cube, [cube.where] if cube.where else [])
    table, joins = binding.source(cube, roles, first=cut_roles(selection))
    if "edge" in tables:
        joins = [*joins, join(edge(binding, cube), [])]
    statement = select(nodes, table, joins, limits)
    statement.set("order", exp.Order(expressions=_sorted(cube, query, shown)))
    limit = MOST_ROWS if query.limit is None else query.limit
    statement.set("limit", exp.Limit(expression=binding.bind(limit)))
    return statement


def _sorted(cube: Cube, query: CubeQuery, shown: Sequence[ViewColumn]) -> list[Any]:
    """The order asked for, then every column, so that the same rows come in the same order."""
    names = [found.name for found in shown]
    sort = []
    for item in query.order:
        name = item.removeprefix("-")
        if name not in names:
            raise QueryError(
                zh=f"“order”里的“{name}”不是明细的列{suggest(name, names, 'zh')}。",
                en=f"'order' names '{name}', which is no column of the rows{suggest(name, names)}.",
            )
        sort.append(ordered(column(name), item.startswith("-")))
    asked = {item.removeprefix("-") for item in query.order}
    return sort + [ordered(column(name)) for name in names if name not in asked]


def _counted(
    binding: Binding, cube: Cube, selection: Selection, measures: dict[str, Measure]
) -> Iterator[Node]:
    """The conditions under which a row counts for a measure; none at all if every row does."""
    parts: dict[str, Measure] = {}
    for name, measure in measures.items():
        for part in (name,) if measure.agg is not None else cube.parts_of(measure):
            if "." not in part:
                parts[part] = cube.measures[part]
    found: list[Node] = []
    for measure in parts.values():
        limits: list[Node] = []
        if measure.where is not None:
            limits.append(parse_expression(measure.where, FACT))
        if measure.over_time in ("first", "last"):
            limits.append(day_of_cut(binding, cube, selection, last=measure.over_time == "last"))
        if measure.sql is not None and plain_column(measure.sql, FACT) is not None:
            limits.append(exp.Not(this=is_null(parse_expression(measure.sql, FACT))))
        if not limits:
            return
        found.append(all_of(limits))
    yield from found
