"""Table macros: named queries for trusted readers of the snapshot's file, `q_<query>(...)`.

A macro is the statement of the query itself with the parameters in place of the values. So its
numbers are the query's; it knows no scope: a unit parameter is a filter there, not a right, and
the file's permissions are the boundary. Names have two parts, so that the file may be copied.

A query whose bounds cannot be written as expressions of its parameters (working days, sliding
months against another year) gets no macro.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from cubes.binding import Binding
from cubes.compilation import statement_tree
from cubes.drill_through import rows_tree
from cubes.errors import QueryError
from cubes.macro_period import MacroPeriods
from cubes.named_query import BUSINESS_DATE, NamedQuery
from cubes.parameter import SQL_TYPES, Parameter
from cubes.plan import make_plan, result_columns
from cubes.query_calendar import NO_CALENDAR
from cubes.scope import Scope
from cubes.select_check import select_tree
from cubes.sql import Node, alias, column, identifier, number, parsed_type, select, text
from cubes.warehouse import Warehouse, read_warehouse

if TYPE_CHECKING:
    import duckdb

    from cubes.catalogue import Catalogue

PREFIX = "q_"
_DATE = Parameter(type="date")
# Values no declaration holds: where one stands in the statement, its parameter belongs.
_SAMPLES: dict[str, Any] = {"month": "2391-05", "integer": 37, "boolean": True}
# Two bounds may fall on one date; on another day they can be told from each other.
_DAYS = tuple(date(2391, month, day) for month in (7, 8) for day in (2, 1, 5, 18))


@dataclass(frozen=True)
class _Given:
    """The parameters of one macro and the value that stood for each in the compilation."""

    parameters: Mapping[str, Parameter]
    samples: Mapping[str, Any]

    def node(self, name: str) -> Node:
        """A parameter as it stands in the macro, in its type."""
        node: Node = exp.Cast(
            this=column(name), to=parsed_type(SQL_TYPES[self.parameters[name].type])
        )
        if self.parameters[name].type == "month":
            return exp.Left(this=node, expression=number(7))
        return node


def create_macros(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    *,
    business_date: date,
    zone: str | None = None,
) -> list[str]:
    """Create a macro for every query that can be one; return their names.

    `business_date` is the default of the parameter of that name, `zone` the one rows show moments
    in. Macros of queries that are gone
    are dropped.
    """
    warehouse = read_warehouse(connection)
    made = []
    for query in catalogue.queries.values():
        statement = macro_sql(
            catalogue, query, warehouse=warehouse, business_date=business_date, zone=zone
        )
        if statement is not None:
            connection.execute(statement)
            made.append(PREFIX + query.query)
    known = connection.execute(
        "select distinct function_name from duckdb_functions() "
        "where function_type = 'table_macro' and not internal and starts_with(function_name, ?)",
        [PREFIX],
    ).fetchall()
    for (name,) in known:
        if name not in made:
            connection.execute(f"drop macro table {identifier(name).sql(dialect='duckdb')}")
    return made


def macro_sql(
    catalogue: Catalogue,
    query: NamedQuery,
    *,
    warehouse: Warehouse,
    business_date: date,
    zone: str | None = None,
) -> str | None:
    """The statement that creates the macro of a query; None where it cannot be one."""
    given = _given(query, _DAYS[0])
    body = None
    if query.sql is not None:
        body = _of_select(query, given)
    else:
        cube = catalogue.cubes.get(query.cube or "")
        if cube is None or cube.fact not in warehouse.tables:
            return None
        for day in _DAYS:
            given = _given(query, day)
            body = body or _of_cube(catalogue, query, given, warehouse, zone)
    if body is None or _is_ambiguous(body, given):
        return None
    arguments = ", ".join(_arguments(query, given, business_date))
    name = identifier(PREFIX + query.query).sql(dialect="duckdb")
    return f"create or replace macro {name}({arguments}) as table {body.sql(dialect='duckdb')}"


def _given(query: NamedQuery, day: date) -> _Given:
    parameters = {**query.parameters}
    parameters.setdefault(BUSINESS_DATE, _DATE)
    samples = {
        name: day if item.type == "date" else _SAMPLES.get(item.type, f"parameter {name}")
        for name, item in parameters.items()
    }
    for name, item in parameters.items():
        if item.type == "unit":
            samples[name] = f"parameter-{name}"
    return _Given(parameters, samples)


def _arguments(query: NamedQuery, given: _Given, business_date: date) -> Iterator[str]:
    """The parameters with their defaults, those without one first, as DuckDB wants it."""
    later = []
    for name, parameter in given.parameters.items():
        written = identifier(name).sql(dialect="duckdb")
        default = parameter.default
        if default is None and name == BUSINESS_DATE:
            default = business_date
        if default is None and not parameter.optional:
            yield written
        else:
            later.append(f"{written} := {_literal(default).sql(dialect='duckdb')}")
    yield from later


def _of_select(query: NamedQuery, given: _Given) -> Any:
    assert query.sql is not None
    tree = select_tree(query.sql)
    for place in list(tree.find_all(exp.Placeholder)):
        place.replace(given.node(place.name))
    return tree


def _of_cube(
    catalogue: Catalogue,
    query: NamedQuery,
    given: _Given,
    warehouse: Warehouse,
    zone: str | None,
) -> Any | None:
    # Totals are rows of their own kind and are no part of a table.
    plain = query.model_copy(update={"totals": None, "parameters": _without_bounds(given)})
    day = given.samples[BUSINESS_DATE]
    binding = Binding(catalogue, warehouse, Scope.all(), day, "zh")
    try:
        asked, _ = plain.to_query(given.samples, business_date=day)
        plan = make_plan(binding, asked, NO_CALENDAR)
        if query.rows:
            tree, columns = rows_tree(binding, plan, query.rows, language="zh", zone=zone)
            names = [found.name for found in columns]
        else:
            tree, _ = statement_tree(binding, plan)
            names = [found.name for found in result_columns(plan, "en")]
    except QueryError:
        return None
    periods = MacroPeriods.of(query, plan, given.node, given.samples)
    if periods is None:
        return None
    texts = {
        value: name
        for name, value in given.samples.items()
        if isinstance(value, str) and f"{{{name}}}" in repr(query.cuts)
    }
    for value, name in texts.items():
        if given.parameters[name].optional:
            named = {place for place, bound in binding.parameters.items() if bound == value}
            _make_optional(tree, given.node(name), named)
    for place in list(tree.find_all(exp.Placeholder)):
        value = binding.parameters[place.name]
        if isinstance(value, str) and value in texts:
            node = given.node(texts[value])
        elif isinstance(value, date):
            found = periods.node(value)
            if found is None:
                return None
            node = found
        elif isinstance(value, str | int | Decimal | float) and not _holds_sample(value, given):
            node = _literal(value)
        else:
            return None
        place.replace(node)
    shown = [alias(column(name, "answer"), name) for name in names]
    inner = exp.Subquery(this=tree, alias=exp.TableAlias(this=identifier("answer")))
    return select(shown, inner)


def _without_bounds(given: _Given) -> dict[str, Parameter]:
    """The parameters as types alone: the samples need not keep their bounds."""
    return {
        name: item.model_copy(update={"min": None, "max": None, "values": None, "length": 200})
        for name, item in given.parameters.items()
    }


def _holds_sample(value: Any, given: _Given) -> bool:
    """Whether a value was made from a sample, so that its parameter cannot be told from it."""
    texts = [sample for sample in given.samples.values() if isinstance(sample, str)]
    return (isinstance(value, str) and any(text in value for text in texts)) or value == 37


def _make_optional(tree: Any, parameter: Node, places: set[str]) -> None:
    """Let conditions with one of the places pass everything while the parameter is null."""
    found: dict[int, Any] = {}
    for place in tree.find_all(exp.Placeholder):
        if place.name in places:
            condition = _condition_around(place)
            found[id(condition)] = condition
    for condition in found.values():
        absent = exp.Is(this=parameter.copy(), expression=exp.Null())
        within = exp.Paren(this=condition.copy())
        condition.replace(exp.Paren(this=exp.Or(this=absent, expression=within)))


def _condition_around(place: Any) -> Any:
    """The condition of the outermost `where` that holds a place, one of those joined by `and`."""
    chosen = candidate = None
    node = place
    while node.parent is not None:
        parent = node.parent
        joins = isinstance(parent, exp.Where | exp.And)
        candidate = (candidate or node) if joins else None
        if isinstance(parent, exp.Where):
            chosen, candidate = candidate, None
        node = parent
    return chosen


def _is_ambiguous(tree: Any, given: _Given) -> bool:
    """Whether a column without a table has the name of a parameter; the macro would mistake it."""
    own = {id(node.this) for node in tree.find_all(exp.Cast) if isinstance(node.this, exp.Column)}
    return any(
        not node.table and node.name in given.parameters and id(node) not in own
        for node in tree.find_all(exp.Column)
    )


def _literal(value: Any) -> Node:
    if value is None:
        return exp.Null()
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, date):
        return exp.Cast(this=text(value.isoformat()), to=parsed_type("DATE"))
    if isinstance(value, int | float):
        return number(value)
    return exp.Literal(this=str(value), is_string=not isinstance(value, Decimal))
