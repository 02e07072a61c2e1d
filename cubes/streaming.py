"""Answers of any size in parts: the rows of a named query as they come, within limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb

from cubes.errors import AnswerTooLarge
from cubes.figures import MASK
from cubes.limits import Limits, within_seconds
from cubes.named_query import run_named_query
from cubes.query import execute_query, refused_query
from cubes.select_query import execute_select, refused_select

if TYPE_CHECKING:
    from cubes.catalogue import Catalogue
    from cubes.errors import QueryError
    from cubes.scope import Scope
    from cubes.warehouse import Warehouse

_ROWS_AT_ONCE = 2048
_LANGUAGE = "zh"


@dataclass(frozen=True)
class RowStream:
    """The names of an answer's columns, and its rows by those names, to be read once."""

    columns: tuple[str, ...]
    rows: Iterator[dict[str, Any]]


@contextmanager
def stream_named_query(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    name: str,
    parameters: Mapping[str, Any],
    *,
    scope: Scope,
    business_date: date,
    warehouse: Warehouse,
    limits: Limits,
) -> Iterator[RowStream]:
    """Answer a named query in parts, without totals, so that memory does not grow with its rows.

    Of a cube's query the answer has keys beside the names. Reading beyond `limits` raises
    AnswerTooLarge, or AnswerTooSlow when the block with its reading takes longer; QueryError for
    whatever cannot be answered as asked.
    """
    named = catalogue.named_query(name)
    if named.rows:
        with within_seconds(connection, limits.seconds):
            result = run_named_query(
                catalogue,
                connection,
                name,
                parameters,
                scope=scope,
                business_date=business_date,
                language=_LANGUAGE,
                warehouse=warehouse,
            )
            if len(result.rows) > limits.rows:
                raise _too_large(name, limits)
            yield RowStream(tuple(column.name for column in result.columns), iter(result.rows))
        return
    with within_seconds(connection, limits.seconds):
        mask_at = None
        refused: Callable[[duckdb.Error], QueryError]
        if named.sql is not None:
            refused = partial(refused_select, named)
            values = named.values(parameters, business_date)
            cursor, _ = execute_select(
                catalogue,
                connection,
                named,
                values,
                scope=scope,
                language=_LANGUAGE,
                warehouse=warehouse,
            )
            found = [item[0] for item in cursor.description or ()]
            wanted = found
        else:
            query, day = named.to_query(parameters, business_date=business_date, keys=True)
            refused = partial(refused_query, query)
            statement, cursor = execute_query(
                catalogue,
                connection,
                query,
                scope=scope,
                business_date=day,
                language=_LANGUAGE,
                warehouse=warehouse,
            )
            found = [item[0] for item in cursor.description or ()]
            wanted = [column.name for column in statement.columns]
            mask_at = found.index(MASK) if statement.has_totals else None
        places = [(one, found.index(one)) for one in wanted]

        def rows() -> Iterator[dict[str, Any]]:
            count = 0
            for record in _records(cursor, refused):
                if mask_at is not None and record[mask_at]:
                    continue
                count += 1
                if count > limits.rows:
                    raise _too_large(name, limits)
                yield {one: record[at] for one, at in places}

        yield RowStream(tuple(wanted), rows())


def _too_large(name: str, limits: Limits) -> AnswerTooLarge:
    return AnswerTooLarge(
        f"The answer of query '{name}' has more than {limits.rows} rows. Trying again does not "
        "help; ask for fewer rows or raise the limit."
    )


def _records(
    cursor: duckdb.DuckDBPyConnection, refused: Callable[[duckdb.Error], QueryError]
) -> Iterator[tuple[Any, ...]]:
    while True:
        try:
            records = cursor.fetchmany(_ROWS_AT_ONCE)
        except duckdb.Error as error:
            raise refused(error) from error
        if not records:
            return
        yield from records
