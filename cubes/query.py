"""Asking: run a query on a connection and give the result."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from cubes.axis import Axis
from cubes.binding import Binding
from cubes.catalogue import Catalogue
from cubes.compilation import Statement, compile_query
from cubes.cube import FACT, Cube
from cubes.declaration import suggest
from cubes.errors import AnswerTooLarge, QueryError
from cubes.expression import parse_expression
from cubes.figures import MASK, key_name
from cubes.member import format_member, parse_member
from cubes.member_label import member_labels
from cubes.predicate import existence, scope_predicate, visible_members
from cubes.query_calendar import read_query_calendar
from cubes.question import CubeQuery
from cubes.result import Column, CubeResult
from cubes.scope import Scope
from cubes.sql import alias, select
from cubes.warehouse import Warehouse, read_warehouse

if TYPE_CHECKING:
    Connection = duckdb.DuckDBPyConnection

__all__ = ["Column", "CubeQuery", "CubeResult", "member_names", "run_query"]

_INTEGERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT",
    "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
}  # fmt: skip


def run_query(
    catalogue: Catalogue,
    connection: Connection,
    query: CubeQuery,
    *,
    scope: Scope,
    business_date: date | None,
    language: str = "zh",
    warehouse: Warehouse | None = None,
    snapshot: str | None = None,
    most_rows: int | None = None,
    aggregates: bool = True,
) -> CubeResult:
    """Answer a query from the connection's database.

    `business_date` is what relative periods refer to. `warehouse` saves reading the database's
    catalogue again; `snapshot` is the tag told in the result. Without `aggregates` the facts
    answer even where an aggregate could. Raises QueryError for whatever cannot be answered as
    asked, AnswerTooLarge above `most_rows` rows with totals.
    """
    try:
        return _answer(
            catalogue,
            connection,
            query,
            scope,
            business_date,
            language,
            warehouse,
            snapshot,
            most_rows,
            aggregates,
        )
    except duckdb.Error as error:
        raise refused_query(query, error) from error


def refused_query(query: CubeQuery, error: duckdb.Error) -> QueryError:
    """What the database said, and what to do about it."""
    said = next(iter(str(error).splitlines()), "") or type(error).__name__
    advice = (
        "Try again once the database can be read and has memory and disk space"
        if isinstance(error, duckdb.OperationalError | duckdb.InterruptException)
        else "Trying again does not help; check the query and the declarations against this "
        "database"
    )
    return QueryError(f"Cube '{query.cube}' could not be queried: {said} {advice}.")


def _answer(
    catalogue: Catalogue,
    connection: Connection,
    query: CubeQuery,
    scope: Scope,
    business_date: date | None,
    language: str,
    warehouse: Warehouse | None,
    snapshot: str | None,
    most_rows: int | None,
    aggregates: bool,
) -> CubeResult:
    warehouse = warehouse or read_warehouse(connection)
    statement, cursor = _execute(
        catalogue, connection, query, scope, business_date, language, warehouse, aggregates
    )
    types = {item[0]: str(item[1]) for item in cursor.description or ()}
    records = fetch(cursor, most_rows)
    return _result(
        connection, warehouse, statement, list(types), types, records, language, snapshot
    )


def execute_query(
    catalogue: Catalogue,
    connection: Connection,
    query: CubeQuery,
    *,
    scope: Scope,
    business_date: date | None,
    language: str,
    warehouse: Warehouse,
) -> tuple[Statement, Connection]:
    """The statement of a query and the cursor from which its records can be read in parts.

    Totals are among the records. Raises QueryError as `run_query` does.
    """
    try:
        return _execute(catalogue, connection, query, scope, business_date, language, warehouse)
    except duckdb.Error as error:
        raise refused_query(query, error) from error


def _execute(
    catalogue: Catalogue,
    connection: Connection,
    query: CubeQuery,
    scope: Scope,
    business_date: date | None,
    language: str,
    warehouse: Warehouse,
    aggregates: bool = True,
) -> tuple[Statement, Connection]:
    _check_fact(catalogue, warehouse, query)
    calendar = read_query_calendar(connection, warehouse, query, business_date)
    statement = compile_query(
        catalogue,
        warehouse,
        query,
        scope=scope,
        business_date=business_date,
        language=language,
        calendar=calendar,
        aggregates=aggregates,
    )
    _check_members(catalogue, connection, warehouse, query, scope, language)
    return statement, connection.execute(statement.sql, dict(statement.parameters))


def fetch(cursor: Connection, most_rows: int | None) -> list[tuple[Any, ...]]:
    """All rows of an executed statement; raises AnswerTooLarge without reading more than needed."""
    if most_rows is None:
        return cursor.fetchall()
    records: list[tuple[Any, ...]] = cursor.fetchmany(most_rows + 1)
    if len(records) > most_rows:
        raise AnswerTooLarge(
            f"The answer has more than {most_rows} rows. Trying again does not help; ask for a "
            "shorter period, fewer groups, or a limit."
        )
    return records


def _check_fact(catalogue: Catalogue, warehouse: Warehouse, query: CubeQuery) -> None:
    """Refuse a cube whose fact is not in the database, with what is there."""
    cube = catalogue.cube(query.cube)
    if cube.fact not in warehouse.tables:
        raise QueryError(
            f"Cube '{cube.cube}' reads table '{cube.fact}', which this database does not have in "
            f"schema {warehouse.schema}{suggest(cube.fact, warehouse.tables)}. Build first, or "
            "choose another database."
        )


def _check_members(
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
            known = member_names(connection, binding, cube, axis)
            seen = "" if scope.is_all else " that this account may see"
            raise QueryError(
                f"'{axis.name}' has no member '{value}'{seen}{_nearest(value, known)}."
            )


def _nearest(value: str, known: Sequence[str]) -> str:
    """A suggestion: a path that ends in the name asked for, else the most similar name."""
    ending = [name for name in known if parse_member(name).path[-1] == value]
    # Chinese names are short, so one wrong sign of two must still find its neighbour.
    found = ending or difflib.get_close_matches(value, known, n=1, cutoff=0.4)
    return f" (did you mean '{found[0]}'?)" if found else ""


def _is_empty(connection: Connection, binding: Binding, cube: Cube, axis: Axis) -> bool:
    # Before the first delivery no member is known, and a cut simply gives no rows.
    if axis.dimension is None:
        conditions = scope_predicate(binding, cube)
        query = select([exp.Star()], binding.warehouse.table(cube.fact, FACT), (), conditions)
    else:
        query = select([exp.Star()], binding.warehouse.table(axis.dimension.table))
    return connection.execute(*_with_values(query.limit(1), binding)).fetchone() is None


def _with_values(query: exp.Select, binding: Binding) -> tuple[str, dict[str, Any]]:
    """The statement, and those bound values that it names."""
    names = {node.name for node in query.find_all(exp.Placeholder)}
    values = {name: value for name, value in binding.parameters.items() if name in names}
    return query.sql(dialect="duckdb"), values


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
        found = connection.execute(*_with_values(statement.limit(limit), binding)).fetchall()
        for row in found:
            if all(part is not None for part in row):
                path = tuple(str(part) for part in row)
                names[format_member(path) if len(path) > 1 else path[0]] = None
    return list(names)


def _result(
    connection: Connection,
    warehouse: Warehouse,
    statement: Statement,
    names: list[str],
    types: Mapping[str, str],
    records: list[tuple[Any, ...]],
    language: str,
    snapshot: str | None,
) -> CubeResult:
    columns = tuple(replace(c, type=type_name(types[c.name])) for c in statement.columns)
    wanted = [(column.name, names.index(column.name)) for column in columns]
    mask_at = names.index(MASK) if statement.has_totals else None
    count = len(statement.axes)
    rows: list[dict[str, Any]] = []
    totals: list[dict[str, Any]] = []
    hidden: dict[int, set[str]] = {}
    for record in records:
        mask = 0 if mask_at is None else record[mask_at]
        if mask == 0:
            rows.append({name: record[at] for name, at in wanted})
            continue
        if mask not in hidden:
            rolled = [a for i, a in enumerate(statement.axes) if mask >> (count - 1 - i) & 1]
            hidden[mask] = {n for axis in rolled for n in (axis.name, key_name(axis))}
        totals.append({name: record[at] for name, at in wanted if name not in hidden[mask]})
    return CubeResult(
        columns=columns,
        rows=rows,
        totals=totals,
        sql=statement.sql,
        parameters=dict(statement.parameters),
        snapshot=snapshot,
        language=language,
        member_labels=member_labels(connection, warehouse, statement, [*rows, *totals], language),
        as_was=statement.as_was,
        aggregate=statement.aggregate,
        compared=statement.compared,
    )


def type_name(name: str) -> str:
    """The type of a result's column by DuckDB's name of it."""
    if name in _INTEGERS:
        return "integer"
    if name.startswith("DECIMAL"):
        return "decimal"
    if name.startswith("TIMESTAMP"):
        return "timestamp"
    return {"DOUBLE": "number", "FLOAT": "number", "DATE": "date", "BOOLEAN": "boolean"}.get(
        name, "string"
    )
