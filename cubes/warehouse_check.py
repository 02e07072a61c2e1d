"""Checks of a catalogue against a database: tables, columns, and keys that must be unique."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from cubes.axis import hierarchy_steps
from cubes.bind_check import Problem, first_line, unbound_of_cube, unbound_of_dimension
from cubes.binding import parent_join
from cubes.consistency import cube_expressions, dimension_expressions, located_fault
from cubes.cube import FACT, Cube
from cubes.declaration import suggest
from cubes.dimension import VALID_FROM, VALID_TO, Dimension, Hierarchy
from cubes.drill_through import row_columns
from cubes.errors import Fault
from cubes.expression import columns_of, parse_expression
from cubes.select_check import column_faults
from cubes.sql import call, is_null, select
from cubes.warehouse import Warehouse, read_warehouse

if TYPE_CHECKING:
    from cubes.catalogue import Catalogue


def warehouse_faults(
    catalogue: Catalogue, connection: duckdb.DuckDBPyConnection, *, keys: bool
) -> list[Fault]:
    """Every table or column that is missing, what cannot be computed over those that are there,
    and with `keys` every key that repeats."""
    warehouse = read_warehouse(connection)
    faults: list[Fault] = []
    sound: set[str] = set()
    for name, dimension in catalogue.dimensions.items():
        problems = list(_dimension_problems(dimension, warehouse))
        problems = problems or list(unbound_of_dimension(dimension, warehouse, connection))
        if not problems:
            sound.add(name)
            if keys:
                problems = list(_key_problems(dimension, warehouse, connection))
        for where, message in problems:
            faults.append(
                located_fault(catalogue, "dimensions", dimension.dimension, where, message)
            )
    for cube in catalogue.declared_cubes():
        problems = list(_cube_problems(catalogue, cube, warehouse))
        if cube.fact in warehouse.tables and sound.issuperset(map(cube.dimension_of, cube.joins)):
            problems += unbound_of_cube(catalogue, cube, warehouse, connection, known=problems)
        for where, message in problems:
            faults.append(located_fault(catalogue, "definitions", cube.cube, where, message))
    for query in catalogue.queries.values():
        if query.rows and query.cube is not None:
            known = row_columns(catalogue, query.cube, warehouse=warehouse, language="zh")
            for index, name in enumerate(query.rows):
                if name not in known:
                    message = f"rows of cube '{query.cube}' have no column '{name}'"
                    message += suggest(name, known)
                    where = ("rows", index)
                    faults.append(located_fault(catalogue, "queries", query.query, where, message))
        if query.sql is not None:
            for message in column_faults(query, connection):
                faults.append(located_fault(catalogue, "queries", query.query, ("sql",), message))
    return faults


def key_faults(
    catalogue: Catalogue, connection: duckdb.DuckDBPyConnection, cube: str
) -> list[Fault]:
    """The dimensions of a cube whose keys repeat, so that joining them would count facts twice.

    A dimension whose table or columns are missing is left to the query, which says so.
    """
    warehouse = read_warehouse(connection)
    asked = catalogue.cubes.get(cube)
    used = dict.fromkeys(asked.dimension_of(role) for role in asked.joins) if asked else ()
    return [
        located_fault(catalogue, "dimensions", name, where, message)
        for name in used
        if not list(_dimension_problems(catalogue.dimensions[name], warehouse))
        for where, message in _key_problems(catalogue.dimensions[name], warehouse, connection)
    ]


def _table_problem(warehouse: Warehouse, where: Sequence[Any], table: str) -> Iterator[Problem]:
    if table not in warehouse.tables:
        yield (
            where,
            f"schema {warehouse.schema} has no table '{table}'{suggest(table, warehouse.tables)}",
        )


def _column_problem(
    warehouse: Warehouse, where: Sequence[Any], table: str, column: str
) -> Iterator[Problem]:
    columns = warehouse.tables.get(table)
    if columns is not None and column not in columns:
        yield where, f"table {table} has no column '{column}'{suggest(column, columns)}"


def _dimension_problems(dimension: Dimension, warehouse: Warehouse) -> Iterator[Problem]:
    yield from _table_problem(warehouse, ("table",), dimension.table)
    parent = dimension.parent
    if parent is not None:
        yield from _table_problem(warehouse, ("parent", "table"), parent.table)
        yield from _column_problem(warehouse, ("parent", "key"), parent.table, parent.key)
        yield from _column_problem(warehouse, ("parent", "on"), dimension.table, parent.on)
    history = dimension.history
    if history is not None:
        yield from _table_problem(warehouse, ("history",), history)
        for bound in (VALID_FROM, VALID_TO):
            yield from _column_problem(warehouse, ("history",), history, bound)
        if parent is not None:
            yield from _column_problem(warehouse, ("history",), history, parent.on)
    for name, hierarchy in dimension.hierarchies.items():
        if hierarchy.closure is not None:
            yield from _table_problem(
                warehouse, ("hierarchies", name, "closure"), hierarchy.closure
            )
    for where, text in dimension_expressions(dimension):
        for table, column in columns_of(text, "own"):
            target = dimension.table
            if table == "own__parent" and parent is not None:
                target = parent.table
            elif history is not None and table == "own":
                yield from _column_problem(warehouse, ("history",), history, column)
            yield from _column_problem(warehouse, where, target, column)


def _key_problems(
    dimension: Dimension, warehouse: Warehouse, connection: duckdb.DuckDBPyConnection
) -> Iterator[Problem]:
    yield from _told_by_engine(("key",), _repeated_keys(dimension, warehouse, connection))
    if dimension.history is not None:
        versions = _version_problems(dimension, dimension.history, warehouse, connection)
        yield from _told_by_engine(("history",), versions)
    for name, hierarchy in dimension.hierarchies.items():
        if not hierarchy.ragged:
            where = ("hierarchies", name, "ragged")
            early = _early_ends(dimension, hierarchy, warehouse, connection)
            yield from _told_by_engine(where, ((where, message) for message in early))


def _told_by_engine(where: Sequence[Any], problems: Iterator[Problem]) -> Iterator[Problem]:
    """The problems, and at `where` what the engine says if it cannot look for them."""
    try:
        yield from problems
    except duckdb.Error as error:
        yield where, first_line(error)


def _repeated_keys(
    dimension: Dimension, warehouse: Warehouse, connection: duckdb.DuckDBPyConnection
) -> Iterator[Problem]:
    parent = dimension.parent
    pairs: list[tuple[Sequence[Any], str, str]] = [(("key",), dimension.table, dimension.key)]
    if parent is not None:
        pairs.append((("parent", "key"), parent.table, parent.key))
    for where, table, key in pairs:
        exact = parse_expression(key, "own").sql(dialect="duckdb")
        source = warehouse.table(table, "own").sql(dialect="duckdb")
        row = connection.execute(
            f"select count({exact}), count(distinct {exact}) from {source}"
        ).fetchone()
        assert row is not None
        if row[0] != row[1]:
            yield (
                where,
                f"{row[0] - row[1]} rows of {table} repeat a key, so joining would count facts "
                "more than once",
            )


def _early_ends(
    dimension: Dimension,
    hierarchy: Hierarchy,
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
) -> Iterator[str]:
    """What lacks a member at some level of a hierarchy that says no branch ends early."""
    for step in hierarchy_steps(hierarchy, warehouse, dimension):
        level = parse_expression((*step.keys, *step.values)[0], "own")
        query = select(
            [call("count", exp.Star())],
            warehouse.table(dimension.table, "own"),
            parent_join(warehouse, dimension, "own"),
            [is_null(level)],
        )
        row = connection.execute(query.sql(dialect="duckdb")).fetchone()
        assert row is not None
        if row[0]:
            yield (
                f"{row[0]} members of {dimension.table} have no '{step.name}'; write "
                "'ragged: true' if a branch may end early"
            )


def _version_problems(
    dimension: Dimension, history: str, warehouse: Warehouse, connection: duckdb.DuckDBPyConnection
) -> Iterator[Problem]:
    exact = parse_expression(dimension.key, "own").sql(dialect="duckdb")
    source = warehouse.table(history, "own").sql(dialect="duckdb")
    row = connection.execute(
        f"select count(*) from (select {VALID_TO} > lead({VALID_FROM}) over (partition by {exact} "
        f"order by {VALID_FROM}, {VALID_TO}) as is_over from {source}) where is_over"
    ).fetchone()
    assert row is not None
    if row[0]:
        yield (
            ("history",),
            f"{row[0]} versions in {history} overlap the next of their key, so joining would count "
            "facts more than once",
        )


def _cube_problems(catalogue: Catalogue, cube: Cube, warehouse: Warehouse) -> Iterator[Problem]:
    yield from _table_problem(warehouse, ("fact",), cube.fact)
    for where, text in cube_expressions(cube):
        for table, column in columns_of(text, FACT):
            targets = [cube.fact]
            if table != FACT:
                dimension = catalogue.dimensions[cube.dimension_of(table)]
                targets = [dimension.table]
                targets += [dimension.history] if dimension.history is not None else []
            for target in targets:
                yield from _column_problem(warehouse, where, target, column)
