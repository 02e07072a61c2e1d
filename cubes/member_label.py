"""Labels of members: what people read for the codes and keys of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from cubes.asked import Asked
from cubes.compilation import Statement
from cubes.dimension import VALID_FROM, VALID_TO, Dimension, localised
from cubes.expression import parse_expression
from cubes.member import parse_member
from cubes.sql import Node, cast, column, inside, select, unnest
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
    connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, asked: Asked, language: str
) -> Asked:
    """What was asked for with the names of the members that were written by their keys."""
    members = []
    for one in asked.members:
        dimension = one.keys_of
        keys = [parse_member(value) for value in one.values if value is not None]
        wanted = sorted({key.code or key.literal for key in keys})
        if dimension is not None and dimension.name is not None and wanted:
            names = _names(connection, warehouse, dimension, language, wanted, is_text=True)
            one = replace(
                one,
                texts=tuple(
                    text if text is None else names.get(text.removeprefix("#"), text)
                    for text in one.texts
                ),
            )
        members.append(one)
    return replace(asked, members=tuple(members))


def _names(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    dimension: Dimension,
    language: str,
    codes: list[Any],
    on: date | None = None,
    *,
    is_text: bool = False,
) -> dict[Any, str]:
    """What members are called by key: today, or in their version of the day `on`.

    With `is_text` the codes are keys as people write them.
    """
    assert dimension.name is not None
    name = parse_expression(localised(dimension.name, language), "member")
    key = parse_expression(dimension.key, "member")
    if is_text:
        key = cast(key, exp.DType.VARCHAR)
    conditions: list[Node] = [inside(key.copy(), unnest(exp.Placeholder(this="codes")))]
    values: dict[str, Any] = {"codes": codes}
    table = dimension.table
    if on is not None and dimension.history is not None:
        table = dimension.history
        day = exp.Placeholder(this="day")
        conditions.append(exp.LTE(this=column(VALID_FROM, "member"), expression=day))
        conditions.append(exp.GT(this=column(VALID_TO, "member"), expression=day.copy()))
        values["day"] = on
    statement = select([key, name], warehouse.table(table, "member"), (), conditions)
    found = connection.execute(statement.sql(dialect="duckdb"), values).fetchall()
    return {code: text for code, text in found if text is not None}


def _code(value: Any) -> str:
    """A value as declarations write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
