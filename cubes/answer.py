"""The columns a named query answers with: known before it runs, and labelled as declared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cubes.binding import Binding
from cubes.drill_through import row_columns
from cubes.errors import QueryError
from cubes.parameter import Value
from cubes.period import CALENDAR_COMPARISONS
from cubes.plan import make_plan, result_columns
from cubes.query_calendar import NO_CALENDAR
from cubes.result import Column, CubeResult
from cubes.scope import Scope
from cubes.warehouse import Warehouse

if TYPE_CHECKING:
    from datetime import date

    from cubes.catalogue import Catalogue
    from cubes.named_query import NamedQuery

_EXAMPLES: dict[str, Value] = {
    "month": "2026-03",
    "string": "x",
    "integer": 1,
    "decimal": 1,
    "boolean": True,
    "unit": "x",
}


def labelled(named: NamedQuery, result: CubeResult) -> CubeResult:
    """The result with the labels its query declares."""
    if not named.columns:
        return result
    columns = tuple(_labelled(named, column, result.language) for column in result.columns)
    return replace(result, columns=columns)


def answer_columns(
    catalogue: Catalogue,
    named: NamedQuery,
    *,
    warehouse: Warehouse,
    business_date: date,
    language: str,
) -> tuple[Column, ...]:
    """The columns of the answer, the types of a cube's unknown ("") unless declared.

    Empty where they depend on the values of parameters and none could be told.
    """
    if named.sql is not None:
        return tuple(
            Column(
                name,
                told.label.text(language) if told.label else name,
                told.type or "",
                "member",
                told.format,
            )
            for name, told in named.columns.items()
        )
    if named.rows:
        assert named.cube is not None
        labels = row_columns(catalogue, named.cube, warehouse=warehouse, language=language)
        rows = [Column(one, labels.get(one, one), "", "detail") for one in named.rows]
        return tuple(_labelled(named, column, language) for column in rows)
    given = {
        name: _EXAMPLES[parameter.type]
        for name, parameter in named.parameters.items()
        if parameter.type in _EXAMPLES and parameter.default is None and not parameter.optional
    }
    try:
        query, day = named.to_query(given, business_date=business_date)
        if query.compare in CALENDAR_COMPARISONS:
            # The columns are those of any comparison, and no calendar is at hand.
            query = replace(query, compare="previous")
        binding = Binding(catalogue, warehouse, Scope.all(), day, language)
        columns = result_columns(make_plan(binding, query, NO_CALENDAR), language)
    except QueryError:
        return ()
    return tuple(_labelled(named, column, language) for column in columns)


def _labelled(named: NamedQuery, column: Column, language: str) -> Column:
    told = named.columns.get(column.name)
    if told is None:
        return column
    label = told.label.text(language) if told.label else column.label
    return replace(column, label=label, heading=None if told.label else column.heading)
