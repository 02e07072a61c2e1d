"""Labels of members: what people read for the codes and keys of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from cubes.asked import Asked
from cubes.axis import Axis
from cubes.binding import Binding, parent_join, with_values
from cubes.compilation import Statement
from cubes.cube import Cube
from cubes.dimension import VALID_FROM, VALID_TO, Dimension, localised
from cubes.expression import parse_expression
from cubes.member import parse_member, split_range
from cubes.predicate import member_conditions, visible_members
from cubes.sql import Node, column, inside, select, unnest
from cubes.warehouse import Warehouse

if TYPE_CHECKING:
    import duckdb


def member_labels(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    statement: Statement,
    rows: Sequence[dict[str, Any]],
    language: str,
) -> dict[str, dict[Any, str]]:
    """Declared labels of values, or the names of a dimension's keys, by column and value.

    As it was, a key is called what it was called on the day `named_on`.
    """
    labels: dict[str, dict[Any, str]] = {}
    for axis in statement.axes:
        present = {row[axis.name] for row in rows if axis.name in row} - {None}
        if axis.values:
            declared = dict(axis.values)
            labels[axis.name] = {
                value: declared[code].text(language)
                for value in present
                if (code := _code(value)) in declared
            }
        elif axis.kind == "key" and axis.dimension is not None and axis.dimension.name is not None:
            codes = sorted(present, key=str)
            dimension = axis.dimension
            labels[axis.name] = _names(connection, warehouse, dimension, language, codes)
            told = statement.as_was
            if told is not None and axis.role in told.then and told.named_on is not None:
                labels[axis.name] |= _names(
                    connection, warehouse, dimension, language, codes, told.named_on
                )
    return labels


def asked_by_name(
    connection: duckdb.DuckDBPyConnection, binding: Binding, cube: Cube, asked: Asked
) -> Asked:
    """What was asked for with the names of members that were written by their keys.

    A name is told only of the one member that the cut can mean and that the scope lets the account
    know; what was written stays otherwise, and as it was, when members had other names.
    """
    if binding.as_was:
        return asked
    members = []
    for one in asked.members:
        if one.key is not None:
            texts = zip(one.values, one.texts, strict=True)
            named = (
                _name_of(connection, binding, cube, one.key, value) or text for value, text in texts
            )
            one = replace(one, texts=tuple(named))
        members.append(one)
    return replace(asked, members=tuple(members))


def _name_of(
    connection: duckdb.DuckDBPyConnection,
    binding: Binding,
    cube: Cube,
    axis: Axis,
    value: str | None,
) -> str | None:
    dimension = axis.dimension
    if value is None or split_range(value) is not None:
        return None
    if dimension is None or dimension.name is None:
        return None
    # The member itself, not those below it, which the cut takes too.
    own = member_conditions(binding, cube, replace(axis, steps=()), parse_member(value))
    name = parse_expression(localised(dimension.name, binding.language), axis.role)
    query = select(
        [name],
        binding.warehouse.table(dimension.table, axis.role),
        binding.parent_join(dimension, axis.role),
        [own, *visible_members(binding, cube, dimension, axis.role)],
    )
    found = connection.execute(*with_values(query.limit(2), binding)).fetchall()
    return str(found[0][0]) if len(found) == 1 and found[0][0] is not None else None


def _names(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    dimension: Dimension,
    language: str,
    codes: list[Any],
    on: date | None = None,
) -> dict[Any, str]:
    """What members are called by key: today, or in their version of the day `on`."""
    assert dimension.name is not None
    name = parse_expression(localised(dimension.name, language), "member")
    key = parse_expression(dimension.key, "member")
    conditions: list[Node] = [inside(key.copy(), unnest(exp.Placeholder(this="codes")))]
    values: dict[str, Any] = {"codes": codes}
    table = dimension.table
    if on is not None and dimension.history is not None:
        table = dimension.history
        day = exp.Placeholder(this="day")
        conditions.append(exp.LTE(this=column(VALID_FROM, "member"), expression=day))
        conditions.append(exp.GT(this=column(VALID_TO, "member"), expression=day.copy()))
        values["day"] = on
    statement = select(
        [key, name],
        warehouse.table(table, "member"),
        parent_join(warehouse, dimension, "member"),
        conditions,
    )
    found = connection.execute(statement.sql(dialect="duckdb"), values).fetchall()
    return {code: text for code, text in found if text is not None}


def _code(value: Any) -> str:
    """A value as declarations write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
