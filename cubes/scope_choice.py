"""Scopes as people write them: units by their id or code, checked before anything is asked."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubes.catalogue import Catalogue
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
            "No dimension has a scope, so nothing can be limited to units. Declare 'scope: true' "
            "on the dimension of units, or leave the scope out."
        )
    ids = _ids(dimension, connection, warehouse)
    unknown = [unit for unit in units if unit not in ids]
    if unknown:
        told = "; ".join(f"'{unit}'{_nearest(unit, ids)}" for unit in unknown)
        raise QueryError(f"There is no unit {told}. Give the id or code of a unit that exists.")
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


def _nearest(unit: str, known: dict[str, str]) -> str:
    found = difflib.get_close_matches(unit, known, n=1, cutoff=0.5)
    return f" (did you mean '{found[0]}'?)" if found else ""
