"""Asking: run a query on a connection and give the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb

from cubes.binding import Binding
from cubes.catalogue import Catalogue
from cubes.compilation import Statement, compile_query
from cubes.errors import AnswerTooLarge, QueryError
from cubes.figures import MASK, key_name
from cubes.label import Label
from cubes.member_check import check_fact, check_members
from cubes.member_label import asked_by_name, member_labels
from cubes.query_calendar import read_query_calendar
from cubes.question import CubeQuery
from cubes.result import Column, CubeResult
from cubes.result_cache import ResultCache
from cubes.scope import Scope
from cubes.warehouse import Warehouse, read_warehouse

if TYPE_CHECKING:
    Connection = duckdb.DuckDBPyConnection

__all__ = ["Column", "CubeQuery", "CubeResult", "run_query"]

_INTEGERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT",
    "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
}  # fmt: skip


_TRY_LATER = Label(
    zh="等数据库可以读，并有内存和磁盘空间后再试",
    en="Try again once the database can be read and has memory and disk space",
)
_CHECK_FIRST = Label(
    zh="重试没有用；请对照这个数据库检查查询和声明",
    en="Trying again does not help; check the query and the declarations against this database",
)


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
    cache: ResultCache | None = None,
) -> CubeResult:
    """Answer a query from the connection's database.

    `business_date` is what relative periods refer to. `warehouse` saves reading the database's
    catalogue again; `snapshot` is the tag told in the result. Without `aggregates` the facts
    answer even where an aggregate could. `cache` keeps answers of named snapshots. Raises
    QueryError for whatever cannot be answered as asked, AnswerTooLarge above `most_rows` rows with
    totals.
    """
    key = (catalogue, snapshot, query, scope, business_date, language, aggregates)
    kept = cache.get(key) if cache is not None and snapshot is not None else None
    if kept is not None:
        _require_few(len(kept.rows) + len(kept.totals), most_rows)
        return kept
    try:
        warehouse = warehouse or read_warehouse(connection)
        statement = _compiled(
            catalogue, connection, query, scope, business_date, language, warehouse, aggregates
        )
        cursor = connection.execute(statement.sql, dict(statement.parameters))
        types = {item[0]: str(item[1]) for item in cursor.description or ()}
        records = fetch(cursor, most_rows)
        result = _result(
            connection, warehouse, statement, list(types), types, records, language, snapshot
        )
        binding = Binding(catalogue, warehouse, scope, None, language, as_was=query.as_was)
        asked = asked_by_name(connection, binding, catalogue.cube(query.cube), statement.asked)
        result = replace(result, asked=asked)
        if not _proves_members(query, result):
            check_members(catalogue, connection, warehouse, query, scope, language)
    except duckdb.Error as error:
        raise refused_query(query, error) from error
    if cache is not None and snapshot is not None:
        cache.put(key, result)
    return result


def refused_query(query: CubeQuery, error: duckdb.Error) -> QueryError:
    """What the database said, and what to do about it."""
    said = next(iter(str(error).splitlines()), "") or type(error).__name__
    advice = (
        _TRY_LATER
        if isinstance(error, duckdb.OperationalError | duckdb.InterruptException)
        else _CHECK_FIRST
    )
    said = said.rstrip(" .")
    return QueryError(
        zh=f"立方体“{query.cube}”查询失败：{said}。{advice.zh}。",
        en=f"Cube '{query.cube}' could not be queried: {said}. {advice.en}.",
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
        statement = _compiled(
            catalogue, connection, query, scope, business_date, language, warehouse
        )
        check_members(catalogue, connection, warehouse, query, scope, language)
        return statement, connection.execute(statement.sql, dict(statement.parameters))
    except duckdb.Error as error:
        raise refused_query(query, error) from error


def _compiled(
    catalogue: Catalogue,
    connection: Connection,
    query: CubeQuery,
    scope: Scope,
    business_date: date | None,
    language: str,
    warehouse: Warehouse,
    aggregates: bool = True,
) -> Statement:
    check_fact(catalogue, warehouse, query)
    calendar = read_query_calendar(connection, warehouse, query, business_date)
    return compile_query(
        catalogue,
        warehouse,
        query,
        scope=scope,
        business_date=business_date,
        language=language,
        calendar=calendar,
        aggregates=aggregates,
    )


def _proves_members(query: CubeQuery, result: CubeResult) -> bool:
    """Whether the answer itself shows that every member of its cuts exists.

    A row of a group is a row of the fact that met every cut; one of several members may still be
    unknown.
    """
    return bool(query.by and result.rows) and all(len(values) == 1 for _, values in query.cuts)


def fetch(cursor: Connection, most_rows: int | None) -> list[tuple[Any, ...]]:
    """All rows of an executed statement; raises AnswerTooLarge without reading more than needed."""
    if most_rows is None:
        return cursor.fetchall()
    records: list[tuple[Any, ...]] = cursor.fetchmany(most_rows + 1)
    _require_few(len(records), most_rows)
    return records


def _require_few(count: int, most_rows: int | None) -> None:
    if most_rows is not None and count > most_rows:
        raise AnswerTooLarge(
            zh=f"结果超过 {most_rows} 行。重试没有用；请缩短时期、减少分组，或给出 limit。",
            en=f"The answer has more than {most_rows} rows. Trying again does not help; ask for a "
            "shorter period, fewer groups, or a limit.",
        )


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
