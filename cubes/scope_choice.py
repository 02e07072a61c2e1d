"""Scopes as people write them: units by their id or code, checked before anything is asked."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubes.catalogue import Catalogue
from cubes.declaration import did_you_mean
from cubes.dimension import Dimension
from cubes.errors import QueryError
from cubes.expression import parse_expression
from cubes.scope import Scope
from cubes.sql import column
from cubes.warehouse import Warehouse

if TYPE_CHECKING:
    import duckdb


def find_units(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    units: Sequence[str] | None,
) -> Scope:
    """The scope of units by id or code; no units means no restriction.

    Raises QueryError for units that nobody knows, all at once, and where nothing has a scope.
    """
    if not units:
        return Scope.all()
    dimension = next((one for one in catalogue.dimensions.values() if one.scope), None)
    if dimension is None:
        raise QueryError(
            zh="没有维度声明管辖范围，不能限定到单位。请在单位的维度上写“scope: true”，"
            "或不限定范围。",
            en="No dimension has a scope, so nothing can be limited to units. Declare "
            "'scope: true' on the dimension of units, or leave the scope out.",
        )
    ids = _ids(dimension, connection, warehouse)
    unknown = [unit for unit in units if unit not in ids]
    if unknown:
        near = {unit: difflib.get_close_matches(unit, ids, n=1, cutoff=0.5) for unit in unknown}
        told = "; ".join(f"'{unit}'{did_you_mean(found)}" for unit, found in near.items())
        told_zh = "、".join(f"“{unit}”{did_you_mean(found, 'zh')}" for unit, found in near.items())
        raise QueryError(
            zh=f"没有单位{told_zh}。请写现有单位的编号或代码。",
            en=f"There is no unit {told}. Give the id or code of a unit that exists.",
        )
    return Scope.units(ids[unit] for unit in units)


def _ids(
    dimension: Dimension, connection: duckdb.DuckDBPyConnection, warehouse: Warehouse
) -> dict[str, str]:
    """The ids of units by id and by code; an id comes before another unit's equal code."""
    table = warehouse.table(dimension.table, "unit").sql(dialect="duckdb")
    key = parse_expression(dimension.key, "unit").sql(dialect="duckdb")
    code = parse_expression(dimension.code or dimension.key, "unit").sql(dialect="duckdb")
    rows = connection.execute(
        f"select cast({key} as varchar), cast({code} as varchar) from {table} order by 1"
    ).fetchall()
    found = {code: key for key, code in rows if code is not None}
    found |= {key: key for key, _ in rows}
    if dimension.closure is not None and dimension.closure in warehouse.tables:
        closure = warehouse.table(dimension.closure, "above").sql(dialect="duckdb")
        ancestor = column("ancestor_id", "above").sql(dialect="duckdb")
        above = connection.execute(f"select distinct cast({ancestor} as varchar) from {closure}")
        found |= {row[0]: row[0] for row in above.fetchall()}
    return found
