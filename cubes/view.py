"""Cube views for analysts' tools: one view per cube with its dimensions spelled out as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from cubes.axis import axis_names
from cubes.binding import Binding
from cubes.catalogue import Catalogue
from cubes.cube import FACT
from cubes.expression import columns_of, parse_expression
from cubes.scope import Scope
from cubes.sql import Node, alias, identifier, select
from cubes.warehouse import Warehouse, read_warehouse

if TYPE_CHECKING:
    import duckdb

VIEW_SCHEMA = "cube"


_ASSUMED = Warehouse("marts", {}, ())


def view_sql(
    catalogue: Catalogue,
    name: str,
    *,
    warehouse: Warehouse | None = None,
    language: str = "zh",
) -> str:
    """The statement that creates view `cube.<name>`.

    It has the fact's columns, then `<role>_<level>` and `<role>_<attribute>` (and `<level>_id`) for
    each joined dimension, and `<name>` for inline dimensions that are no column of the fact. Names
    have two parts only, so that the file may be copied under another name. Without a `warehouse`
    the tables are taken to lie in schema marts, with all eight organisation levels.
    """
    cube = catalogue.cube(name)
    warehouse = warehouse or _ASSUMED
    binding = Binding(catalogue, warehouse, Scope.all(), None, language)
    columns: list[Node] = [exp.Column(this=exp.Star(), table=identifier(FACT))]
    taken = set(warehouse.tables.get(cube.fact, {}))
    roles: set[str] = set()
    seen: set[tuple[str, ...]] = set()
    for axis_name in axis_names(catalogue, warehouse, cube):
        axis = binding.axis(cube, axis_name)
        if axis.kind == "time" or axis.kind == "key" or axis.identity in seen:
            continue
        seen.add(axis.identity)
        if axis.kind == "inline" and (FACT, axis.role) in columns_of(axis.sql, FACT):
            continue
        if axis.kind == "member":
            roles.add(axis.role)
        parts = (axis.role, *axis.identity[2:]) if axis.kind == "member" else (axis.role,)
        written = "_".join(parts)
        pairs = [(written, axis.sql)]
        # The key of the unit itself is already a column of the fact.
        if axis.key is not None and cube.joins[axis.role].on != f"{written}_id":
            pairs.append((f"{written}_id", axis.key))
        for column_name, sql in pairs:
            if column_name not in taken:
                taken.add(column_name)
                columns.append(alias(parse_expression(sql, axis.table), column_name))
    table, joins = binding.source(cube, roles | set(cube.joins) if cube.where else roles)
    where = [] if cube.where is None else [parse_expression(cube.where, FACT)]
    query = select(columns, table, joins, where)
    view = exp.Table(this=identifier(cube.cube), db=identifier(VIEW_SCHEMA))
    create = exp.Create(this=view, kind="VIEW", replace=True, expression=query)
    return create.sql(dialect="duckdb", copy=False)


def create_views(catalogue: Catalogue, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Create the view of every cube whose fact exists; return the names of the views."""
    warehouse = read_warehouse(connection)
    schema = exp.Create(this=exp.Table(db=identifier(VIEW_SCHEMA)), kind="SCHEMA", exists=True).sql(
        dialect="duckdb"
    )
    connection.execute(schema)
    made = []
    for cube in catalogue.cubes.values():
        if cube.fact in warehouse.tables:
            connection.execute(view_sql(catalogue, cube.cube, warehouse=warehouse))
            made.append(f"{VIEW_SCHEMA}.{cube.cube}")
    return made
