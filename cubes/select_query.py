"""Running named queries in SQL: values bound, limited to the rows of the account's units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from cubes.binding import Binding
from cubes.errors import QueryError
from cubes.parameter import SQL_TYPES, Value
from cubes.predicate import units_in_scope
from cubes.query import fetch, type_name
from cubes.result import Column, CubeResult
from cubes.scope import Scope
from cubes.select_check import select_tree
from cubes.sql import Node, column, inside, named, parsed_type, select
from cubes.warehouse import Warehouse, read_warehouse

if TYPE_CHECKING:
    from cubes.catalogue import Catalogue
    from cubes.named_query import NamedQuery

_ANSWER = "answer"


def run_select(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    named_query: NamedQuery,
    values: Mapping[str, Value | None],
    *,
    scope: Scope,
    language: str,
    warehouse: Warehouse | None,
    snapshot: str | None,
    most_rows: int | None,
) -> CubeResult:
    """Answer a query in SQL within a scope; raises QueryError."""
    cursor, asked = execute_select(
        catalogue,
        connection,
        named_query,
        values,
        scope=scope,
        language=language,
        warehouse=warehouse,
    )
    try:
        types = {item[0]: str(item[1]) for item in cursor.description or ()}
        records = fetch(cursor, most_rows)
    except duckdb.Error as error:
        raise refused_select(named_query, error) from error
    columns = tuple(
        _column(named_query, name, type_name(kind), language) for name, kind in types.items()
    )
    rows = [dict(zip(types, record, strict=True)) for record in records]
    return CubeResult(columns, rows, [], asked.sql, asked.bound, snapshot, language)


@dataclass(frozen=True)
class Asked:
    """The SQL of a select as it ran, and the values that its query bound."""

    sql: str
    bound: dict[str, Any]


def execute_select(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    named_query: NamedQuery,
    values: Mapping[str, Value | None],
    *,
    scope: Scope,
    language: str,
    warehouse: Warehouse | None,
) -> tuple[duckdb.DuckDBPyConnection, Asked]:
    """The cursor from which the records of a select within a scope can be read in parts.

    Raises QueryError.
    """
    assert named_query.sql is not None
    warehouse = warehouse or read_warehouse(connection)
    binding = Binding(catalogue, warehouse, scope, None, language)
    tree = select_tree(named_query.sql)
    bound: dict[str, Any] = {}
    for place in list(tree.find_all(exp.Placeholder)):
        name = place.name
        parameter = named_query.parameters.get(name)
        bound[f"given_{name}"] = values[name]
        kind = SQL_TYPES[parameter.type] if parameter is not None else "DATE"
        place.replace(exp.Cast(this=exp.Placeholder(this=f"given_{name}"), to=parsed_type(kind)))
    scoped = _scoped(binding, named_query, tree)
    sql = scoped.sql(dialect="duckdb")
    try:
        cursor = connection.execute(sql, {**bound, **binding.parameters})
    except duckdb.Error as error:
        raise refused_select(named_query, error) from error
    return cursor, Asked(sql, bound)


def refused_select(named_query: NamedQuery, error: duckdb.Error) -> QueryError:
    """What the database said of a select."""
    said = next(iter(str(error).splitlines()), "") or type(error).__name__
    return QueryError(
        zh=f"命名查询“{named_query.query}”无法回答：{said.rstrip(' .')}。",
        en=f"Query '{named_query.query}' could not be answered: {said}",
    )


def _column(named_query: NamedQuery, name: str, kind: str, language: str) -> Column:
    told = named_query.columns.get(name)
    label = told.label.text(language) if told is not None and told.label else name
    shown = told.format if told is not None else None
    is_number = kind in {"integer", "decimal", "number"}
    return Column(name, label, kind, "measure" if is_number else "member", shown)


def _scoped(binding: Binding, named_query: NamedQuery, tree: Any) -> Any:
    """The select limited to the rows of the account's units."""
    scope = named_query.scope
    if binding.scope.is_all or scope == "open":
        return tree
    if scope is None:
        raise QueryError(
            zh=f"命名查询“{named_query.query}”没有管辖范围，受范围限制的账号不能查询。",
            en=f"Query '{named_query.query}' has no scope, so a restricted account may not ask it.",
        )
    unit_ids = binding.scope.unit_ids or ()
    unit = column(scope.column, _ANSWER)
    limits: list[Node] = [inside(unit, units_in_scope(binding, unit_ids))]
    found = select([exp.Star()], named(_ANSWER), (), limits)
    step = exp.CTE(this=tree, alias=exp.TableAlias(this=exp.to_identifier(_ANSWER)))
    found.set("with_", exp.With(expressions=[step]))
    return found
