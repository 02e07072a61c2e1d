"""Checks of what a query names against the database: the fact's table, and members in cuts."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb
from sqlglot import exp

from cubes.axis import Axis
from cubes.binding import Binding, with_values
from cubes.catalogue import Catalogue
from cubes.cube import FACT, Cube
from cubes.declaration import did_you_mean, suggest
from cubes.errors import QueryError, TableMissing
from cubes.expression import parse_expression
from cubes.member import format_member, parse_member
from cubes.predicate import existence, scope_predicate, visible_members
from cubes.question import CubeQuery
from cubes.scope import Scope
from cubes.sql import alias, select
from cubes.warehouse import Warehouse

if TYPE_CHECKING:
    Connection = duckdb.DuckDBPyConnection


def check_fact(catalogue: Catalogue, warehouse: Warehouse, query: CubeQuery) -> None:
    """Refuse a cube whose fact is not in the database, with what is there."""
    cube = catalogue.cube(query.cube)
    if cube.fact not in warehouse.tables:
        raise TableMissing(
            zh=f"立方体“{cube.cube}”读取表“{cube.fact}”，而这个数据库的 {warehouse.schema} 模式里"
            f"没有它{suggest(cube.fact, warehouse.tables, 'zh')}。请先构建，或换一个数据库。",
            en=f"Cube '{cube.cube}' reads table '{cube.fact}', which this database does not have "
            f"in schema {warehouse.schema}{suggest(cube.fact, warehouse.tables)}. Build first, or "
            "choose another database.",
        )


def check_members(
    catalogue: Catalogue,
    connection: Connection,
    warehouse: Warehouse,
    query: CubeQuery,
    scope: Scope,
    language: str,
) -> None:
    """Refuse a cut on a member that does not exist for the account, and suggest the nearest.

    A member the scope hides and one that does not exist give the same answer.
    """
    cube = catalogue.cube(query.cube)
    binding = Binding(catalogue, warehouse, scope, None, language)
    if query.as_was:
        binding.look_back(cube, query.time or cube.default_time)
    asked: list[tuple[Axis, str]] = []
    columns = []
    for name, values in query.cuts:
        axis = binding.axis(cube, name)
        if axis.kind == "time":
            continue
        for value in values:
            found = None if value is None else existence(binding, cube, axis, value)
            if found is not None and value is not None:
                asked.append((axis, value))
                columns.append(alias(exp.Exists(this=found), f"m{len(asked)}"))
    if not asked:
        return
    sql = select(columns).sql(dialect="duckdb", copy=False)
    answer = connection.execute(sql, binding.parameters).fetchone()
    assert answer is not None
    for (axis, value), is_known in zip(asked, answer, strict=True):
        if not is_known and not _is_empty(connection, binding, cube, axis):
            nearest = _nearest(value, member_names(connection, binding, cube, axis))
            seen = "" if scope.is_all else " that this account may see"
            seen_zh = "" if scope.is_all else "这个账号可见的"
            raise QueryError(
                zh=f"“{axis.name}”没有{seen_zh}成员“{value}”{did_you_mean(nearest, 'zh')}。",
                en=f"'{axis.name}' has no member '{value}'{seen}{did_you_mean(nearest)}.",
            )


def _nearest(value: str, known: Sequence[str]) -> Sequence[str]:
    """What may have been meant: paths that end in the name asked for, else the most similar."""
    ending = [name for name in known if parse_member(name).path[-1] == value]
    # Chinese names are short, so one wrong sign of two must still find its neighbour.
    return ending or difflib.get_close_matches(value, known, n=1, cutoff=0.4)


def _is_empty(connection: Connection, binding: Binding, cube: Cube, axis: Axis) -> bool:
    # Before the first delivery no member is known, and a cut simply gives no rows.
    if axis.dimension is None:
        conditions = scope_predicate(binding, cube)
        query = select([exp.Star()], binding.warehouse.table(cube.fact, FACT), (), conditions)
    else:
        query = select([exp.Star()], binding.warehouse.table(axis.dimension.table))
    return connection.execute(*with_values(query.limit(1), binding)).fetchone() is None


def member_names(
    connection: Connection, binding: Binding, cube: Cube, axis: Axis, limit: int = 20_000
) -> list[str]:
    """How members of an axis may be written in a cut, for suggestions and completion.

    Only members that the binding's scope lets the account know of.
    """
    dimension = axis.dimension
    if axis.kind == "inline" or dimension is None:
        conditions = scope_predicate(binding, cube)
        table, joins = binding.source(cube, set(cube.joins))
        lists = [[parse_expression(axis.sql, FACT)]]
    else:
        known = binding.history(dimension) or dimension.table
        table = binding.warehouse.table(known, axis.role)
        joins = binding.parent_join(dimension, axis.role)
        conditions = visible_members(binding, cube, dimension, axis.role)
        paths = [axis.steps[: size + 1] for size in range(len(axis.steps))]
        if axis.kind == "member":
            paths = [axis.steps[-1:], axis.steps]
        lists = [
            [
                parse_expression(step.values[min(spoken, len(step.values) - 1)], axis.role)
                for step in path
            ]
            for path in paths
            for spoken in (0, 1)
        ]
        if axis.kind == "key" and not axis.steps:
            lists += [[parse_expression(sql, axis.role)] for sql in (dimension.key, *axis.names)]
    names: dict[str, None] = {}
    for nodes in lists:
        statement = select(
            [alias(node, f"c{index}") for index, node in enumerate(nodes)],
            table.copy(),
            [item.copy() for item in joins],
            [item.copy() for item in conditions],
        )
        statement.set("distinct", exp.Distinct())
        found = connection.execute(*with_values(statement.limit(limit), binding)).fetchall()
        for row in found:
            if all(part is not None for part in row):
                path = tuple(str(part) for part in row)
                names[format_member(path) if len(path) > 1 else path[0]] = None
    return list(names)
