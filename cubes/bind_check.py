"""Checks that the engine can compute what a catalogue's expressions say.

Nothing is read: statements are only bound, which finds types that do not fit, such as the sum of a
text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from cubes.binding import Binding, parent_join, roles_in
from cubes.compilation import compile_query
from cubes.consistency import cube_expressions, dimension_expressions
from cubes.cube import FACT, Cube
from cubes.dimension import Dimension
from cubes.errors import QueryError
from cubes.expression import parse_expression, plain_column
from cubes.predicate import NUMBER_TYPES
from cubes.question import CubeQuery
from cubes.scope import Scope
from cubes.sql import Node, alias, select
from cubes.warehouse import Warehouse

if TYPE_CHECKING:
    from cubes.catalogue import Catalogue

Problem = tuple[Sequence[Any], str]

_TIMES = ("DATE", "TIMESTAMP")
_CONDITIONS = ("BOOLEAN", *NUMBER_TYPES)
"""Types the engine takes for a condition; it takes a text too, and fails on the first odd one."""
_NESTED = ("STRUCT", "MAP", "UNION")
_NULL = '"NULL"'


@dataclass(frozen=True)
class _Bound:
    """An expression with the type the engine gives it, or why it gives none."""

    where: Sequence[Any]
    text: str
    kind: str = ""
    fault: str | None = None

    @property
    def is_nested(self) -> bool:
        """Whether its values hold others, so that they are no members."""
        return self.kind.startswith(_NESTED) or self.kind.endswith("]")

    def problem(self) -> str | None:
        """What is wrong with it at its place."""
        if self.fault is not None or self.kind == _NULL:
            return self.fault
        if self.where[0] not in ("measures", "details") and self.is_nested:
            return f"'{self.text}' is {self.kind}, no single value; name a part of it"
        is_condition = self.where[-1] == "where" and self.where[0] != "time"
        if is_condition and not self.kind.startswith(_CONDITIONS):
            return f"'{self.text}' is {self.kind}, no condition; compare it with something"
        if self.where[0] == "time" and not self.kind.startswith(_TIMES):
            if self.kind == "VARCHAR" and plain_column(self.text, FACT) is None:
                # An expression that cuts a date out of a text is cast to one.
                return None
            return (
                f"'{self.text}' is {self.kind}, no date or time; name another column or write an "
                "expression that gives one"
            )
        return None


def unbound_of_dimension(
    dimension: Dimension, warehouse: Warehouse, connection: duckdb.DuckDBPyConnection
) -> Iterator[Problem]:
    """The expressions of a dimension that cannot be computed over its tables."""
    source = warehouse.table(dimension.table, "own")
    joins = parent_join(warehouse, dimension, "own")
    for found in _bound(connection, dimension_expressions(dimension), "own", source, joins):
        problem = found.problem()
        if problem is not None:
            yield found.where, problem


def unbound_of_cube(
    catalogue: Catalogue,
    cube: Cube,
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    *,
    known: Sequence[Problem] = (),
) -> Iterator[Problem]:
    """The expressions of a cube that cannot be computed or are of a wrong type, those with `known`
    problems left out; without any of these the measures that cannot be computed."""
    faulty = [tuple(where) for where, _ in known]
    expressions = [one for one in cube_expressions(cube) if one[0] not in faulty]
    binding = Binding(catalogue, warehouse, Scope.all(), None, "en")
    source, joins = binding.source(cube, roles_in(cube, [text for _, text in expressions]))
    is_sound = not known
    for found in _bound(connection, expressions, FACT, source, joins):
        problem = found.problem()
        if problem is not None:
            is_sound = False
            yield found.where, problem
    if is_sound:
        yield from _unbound_measures(catalogue, cube, warehouse, connection)


def _bound(
    connection: duckdb.DuckDBPyConnection,
    expressions: Iterable[tuple[Sequence[Any], str]],
    table: str,
    source: exp.Table,
    joins: Sequence[exp.Join],
) -> Iterator[_Bound]:
    """Each expression bound over the tables: all at once, one by one if that fails."""
    asked = list(expressions)

    def kinds(texts: Sequence[str]) -> list[str]:
        columns: list[Node] = [
            alias(parse_expression(text, table), f"e{place}") for place, text in enumerate(texts)
        ]
        statement = select(columns, source.copy(), [one.copy() for one in joins])
        return _described(connection, statement.sql(dialect="duckdb"), {})

    try:
        found = kinds([text for _, text in asked]) if asked else []
    except duckdb.Error:
        for where, text in asked:
            try:
                yield _Bound(where, text, kinds([text])[0])
            except duckdb.Error as error:
                yield _Bound(where, text, fault=first_line(error))
        return
    for (where, text), kind in zip(asked, found, strict=True):
        yield _Bound(where, text, kind)


def _unbound_measures(
    catalogue: Catalogue,
    cube: Cube,
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
) -> Iterator[Problem]:
    def bind(measures: Sequence[str]) -> None:
        statement = compile_query(
            catalogue,
            warehouse,
            CubeQuery(cube.cube, tuple(measures)),
            scope=Scope.all(),
            business_date=None,
            aggregates=False,
        )
        _described(connection, statement.sql, statement.parameters)

    try:
        bind(list(cube.measures))
        return
    except (QueryError, duckdb.Error):
        pass
    for name in cube.measures:
        try:
            bind([name])
        except QueryError as error:
            yield ("measures", name), str(error)
        except duckdb.Error as error:
            yield ("measures", name), first_line(error)


def _described(
    connection: duckdb.DuckDBPyConnection, statement: str, parameters: Mapping[str, Any]
) -> list[str]:
    rows = connection.execute(f"describe {statement}", dict(parameters)).fetchall()
    return [str(row[1]) for row in rows]


def first_line(error: duckdb.Error) -> str:
    """What the engine says of a fault, in one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)
