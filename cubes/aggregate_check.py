"""Comparing aggregates with the facts they stand in for, on the whole and on random cuts."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cubes.aggregate import (
    AggregateKeys,
    key_column,
    keys_of,
    shrunken_table_of,
    stored_measures,
    table_of,
)
from cubes.catalogue import Catalogue
from cubes.cube import GRAINS, Cube
from cubes.dimension import Dimension
from cubes.expression import parse_expression
from cubes.member import format_member, parse_member
from cubes.query import run_query
from cubes.question import CubeQuery
from cubes.scope import Scope
from cubes.shrunken_dimension import SURROGATE_KEY, code_column
from cubes.sql import column, identifier
from cubes.warehouse import Warehouse, read_warehouse

if TYPE_CHECKING:
    import duckdb

_MOST_NAMES = 2
_MOST_MEASURES = 4
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class AggregateDifference:
    """A query that an aggregate answers otherwise than the facts; both as one row of each."""

    cube: str
    aggregate: str
    query: CubeQuery
    facts: Mapping[str, Any] | None
    stored: Mapping[str, Any] | None


def compare_aggregates(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    *,
    rng: random.Random,
    cuts: int,
) -> list[AggregateDifference]:
    """Ask each aggregate for everything and for `cuts` random cuts, and the facts for the same.

    Gives the first difference of every query that differs. Floats may differ by rounding.
    """
    warehouse = read_warehouse(connection)
    found = []
    for cube in catalogue.cubes.values():
        for name in cube.aggregates:
            if table_of(cube.cube, name) not in warehouse.tables:
                continue
            asked = _AskedAggregate(catalogue, connection, warehouse, cube, name)
            # With one aggregate alone there is no choice but it or the facts.
            only = cube.model_copy(update={"aggregates": {name: cube.aggregates[name]}})
            alone = replace(catalogue, cubes={**catalogue.cubes, cube.cube: only})
            for query in asked.queries(rng, cuts):
                difference = _difference(alone, connection, warehouse, query, name)
                if difference is not None:
                    found.append(difference)
    return found


@dataclass(frozen=True)
class _AskedAggregate:
    """One aggregate of a database, and random questions that it must be able to answer."""

    catalogue: Catalogue
    connection: duckdb.DuckDBPyConnection
    warehouse: Warehouse
    cube: Cube
    name: str

    @cached_property
    def keys(self) -> AggregateKeys:
        return keys_of(self.cube, self.cube.aggregates[self.name], self.catalogue.dimensions)

    def queries(self, rng: random.Random, cuts: int) -> Iterator[CubeQuery]:
        """Everything in total, then random cuts."""
        stored = tuple(stored_measures(self.cube, self.cube.aggregates[self.name]))
        if not stored:
            return
        names = self._names()
        yield CubeQuery(self.cube.cube, stored)
        for _ in range(cuts):
            by = tuple(rng.sample(names, rng.randint(0, min(_MOST_NAMES, len(names)))))
            measures = tuple(rng.sample(stored, rng.randint(1, min(_MOST_MEASURES, len(stored)))))
            period, role, members = self._cut(rng)
            yield CubeQuery(
                self.cube.cube,
                measures,
                by=tuple(one for one in by if one not in measures),
                cuts=tuple(one for one in members if self._is_member(*one)),
                time=role,
                period=period,
            )

    def _names(self) -> list[str]:
        """What it can be asked by: times at each grain, members, levels and attributes."""
        keys = self.keys
        names = [
            f"{role}.{grain}" for role in keys.times for grain in GRAINS if keys.serves(role, grain)
        ]
        names += sorted(keys.inline)
        names += [f"{role}.{part}" for role in keys.shrunken for part in self._parts(role)]
        for role in sorted(keys.joins):
            dimension = self._dimension(role)
            names += [role, *(f"{role}.{attribute}" for attribute in dimension.attributes)]
            for hierarchy in dimension.hierarchies.values():
                if not isinstance(hierarchy.levels, str):
                    names += [f"{role}.{level.name}" for level in hierarchy.levels]
        return names

    def _dimension(self, role: str) -> Dimension:
        return self.catalogue.dimension(self.cube, role)

    def _parts(self, role: str) -> list[str]:
        """The levels and attributes kept of a role; an organisation may lack some."""
        columns = self.warehouse.tables[shrunken_table_of(self.cube.cube, self.name, role)]
        dimension = self._dimension(role)
        return [p for p in sorted(self.keys.shrunken[role]) if code_column(dimension, p) in columns]

    def _cut(
        self, rng: random.Random
    ) -> tuple[str | None, str | None, tuple[tuple[str, tuple[str | None, ...]], ...]]:
        """A period and members taken from one row of the aggregate; None where it holds no row."""
        keys = self.keys
        row = self._row(rng)
        if row is None:
            return None, None, ()
        period = role = None
        if keys.times and rng.random() < 0.7:
            role = rng.choice(sorted(keys.times))
            period = _period(row[key_column(role)], keys.times[role], rng)
            role = role if period is not None else None
        roles = sorted(keys.joins | keys.inline | keys.shrunken.keys())
        cut = rng.choice(roles) if roles and rng.random() < 0.7 else None
        if cut is None:
            return period, role, ()
        value = row[key_column(cut)]
        if cut in keys.shrunken:
            part = rng.choice(self._parts(cut))
            value = self._code(cut, part, value)
            if value is None:
                return period, role, ()
            cut = f"{cut}.{part}"
        if value is None:
            return period, role, ((cut, (None,)),)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if cut in keys.inline:
            return period, role, ((cut, (format_member((text,)),)),)
        # A key that is an empty text cannot be written as a code.
        members = ((cut, (_as_code(text),)),) if text else ()
        return period, role, members

    def _row(self, rng: random.Random) -> dict[str, Any] | None:
        table = _quoted(table_of(self.cube.cube, self.name))
        counted = self.connection.execute(f"select count(*) from {table}").fetchone()
        assert counted is not None
        if not counted[0]:
            return None
        place = rng.randrange(counted[0])
        cursor = self.connection.execute(f"select * from {table} limit 1 offset {place}")
        columns = [item[0] for item in cursor.description or ()]
        return dict(zip(columns, cursor.fetchone() or (), strict=True))

    def _code(self, role: str, part: str, number: int) -> Any:
        """What picks the member of a level or attribute in a row of a shrunken dimension."""
        wanted = column(code_column(self._dimension(role), part)).sql(dialect="duckdb")
        table = _quoted(shrunken_table_of(self.cube.cube, self.name, role))
        found = self.connection.execute(
            f"select {wanted} from {table} where {SURROGATE_KEY} = $number", {"number": number}
        ).fetchone()
        return None if found is None else found[0]

    def _is_member(self, role: str, values: tuple[str | None, ...]) -> bool:
        """Whether a key of the fact is one of the dimension's; a cut by another is refused."""
        if role not in self.cube.joins or values == (None,):
            return True
        dimension = self._dimension(role)
        table = self.warehouse.table(dimension.table, role).sql(dialect="duckdb")
        key = parse_expression(dimension.key, role).sql(dialect="duckdb")
        member = parse_member(values[0] or "")
        found = self.connection.execute(
            f"select 1 from {table} where cast({key} as varchar) = $key limit 1",
            {"key": member.code},
        ).fetchone()
        return found is not None


def _as_code(text: str) -> str:
    written = format_member((text,))
    return f"#{written[1:]}" if text.startswith("#") else f"#{written}"


def _quoted(table: str) -> str:
    return ".".join(identifier(part).sql(dialect="duckdb") for part in table.split("."))


def _period(day: date | None, grain: str, rng: random.Random) -> str | None:
    """A period that begins with the unit of time the day lies in, and holds whole units."""
    if day is None:
        return None
    if grain in ("day", "week"):
        length = rng.randint(1, 40) * (7 if grain == "week" else 1)
        return f"{day}..{day + timedelta(days=min(length - 1, (date.max - day).days))}"
    year = min(day.year + rng.randint(0, 1), date.max.year)
    return f"{day:%Y-%m}..{year}-12"


def _difference(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    query: CubeQuery,
    name: str,
) -> AggregateDifference | None:
    facts, stored = (
        run_query(
            catalogue,
            connection,
            query,
            scope=Scope.all(),
            business_date=None,
            warehouse=warehouse,
            aggregates=aggregates,
        )
        for aggregates in (False, True)
    )
    for index in range(max(len(facts.rows), len(stored.rows))):
        left = facts.rows[index] if index < len(facts.rows) else None
        right = stored.rows[index] if index < len(stored.rows) else None
        if left is None or right is None or not _is_same(left, right):
            return AggregateDifference(query.cube, name, query, left, right)
    return None


def _is_same(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    for key, value in left.items():
        other = right[key]
        if isinstance(value, float) and isinstance(other, float):
            if not math.isclose(value, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
                return False
        elif value != other:
            return False
    return True
