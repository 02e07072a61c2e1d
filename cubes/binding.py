"""What one compilation knows, and the values it binds."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlglot import exp

from cubes.axis import Axis, resolve_axis
from cubes.catalogue import Catalogue
from cubes.cube import FACT, Cube
from cubes.dimension import VALID_FROM, VALID_TO, Dimension
from cubes.errors import QueryError, TableMissing
from cubes.expression import columns_of, parse_expression, plain_column
from cubes.scope import Scope
from cubes.sql import Node, as_date, column, equal, join, select
from cubes.warehouse import Warehouse


@dataclass
class Binding:
    """The surroundings of one compilation; `parameters` grows as values are bound.

    With `as_was` dimensions are read from their histories at each fact's date, which is that of the
    time role in `times` (by cube; default: the cube's first).
    """

    catalogue: Catalogue
    warehouse: Warehouse
    scope: Scope
    business_date: date | None
    language: str
    as_was: bool = False
    times: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict, repr=False)

    def bind(self, value: Any) -> exp.Placeholder:
        """Bind a value and return its place in the statement; equal values share one."""
        written = f"{type(value).__name__} {value!r}"
        name = self._names.get(written)
        if name is None:
            name = f"p{len(self.parameters) + 1}"
            self._names[written] = name
            self.parameters[name] = value
        return exp.Placeholder(this=name)

    def axis(self, cube: Cube, name: str) -> Axis:
        """Resolve a name of the query."""
        return resolve_axis(self.catalogue, self.warehouse, cube, name, self.language)

    def dimension(self, cube: Cube, role: str) -> Dimension:
        """The dimension joined in `role`."""
        return self.catalogue.dimension(cube, role)

    def column_type(self, cube: Cube, sql: str, table: str) -> str | None:
        """The type of an expression that is one column, else None."""
        used = columns_of(sql, table)
        if len(used) != 1 or not isinstance(parse_expression(sql, table), exp.Column):
            return None
        alias, name = used[0]
        if alias == FACT:
            return self.warehouse.column_type(cube.fact, name)
        role, _, parent = alias.partition("__")
        if role not in cube.joins:
            return None
        dimension = self.dimension(cube, role)
        if parent and dimension.parent is not None:
            return self.warehouse.column_type(dimension.parent.table, name)
        return self.warehouse.column_type(dimension.table, name)

    def date_of(self, cube: Cube, role: str) -> Node:
        """The local date of a time role."""
        sql = cube.time[role].sql
        node = parse_expression(sql, FACT)
        name = plain_column(sql, FACT)
        if name is not None and self.warehouse.column_type(cube.fact, name) == "DATE":
            return node
        return as_date(node)

    def value_of(self, cube: Cube, axis: Axis) -> Node:
        """The shown value of an axis in a statement over the cube's fact."""
        if axis.kind != "time":
            return parse_expression(axis.sql, axis.table)
        assert axis.grain is not None
        return truncated(self.date_of(cube, axis.role), axis.grain)

    def look_back(self, cube: Cube, role: str | None) -> None:
        """Read dimensions as they were at the date `role` of the facts; raises QueryError."""
        if role is None:
            raise _no_time(cube)
        self.as_was = True
        self.times[cube.cube] = role

    def history(self, dimension: Dimension) -> str | None:
        """The table of the dimension's versions, if what was is asked for and it has one.

        Raises TableMissing when the database does not have the table.
        """
        if not self.as_was or dimension.history is None:
            return None
        tables = self.warehouse.tables
        if tables and dimension.history not in tables:
            raise TableMissing(
                zh=f"“as_was”需要表“{dimension.history}”，而这个数据库的 {self.warehouse.schema} "
                "模式里没有它。请先构建，或去掉“as_was”。",
                en=f"'as_was' needs the table '{dimension.history}', which this database does not "
                f"have in schema {self.warehouse.schema}. Build first, or leave 'as_was' out.",
            )
        return dimension.history

    def source(
        self, cube: Cube, roles: set[str], first: Set[str] = frozenset()
    ) -> tuple[exp.Table, list[exp.Join]]:
        """The one FROM clause: the fact and the dimensions of `roles`, left-joined by key.

        Those of `first`, whose members are cut, come first: DuckDB keeps the order of left joins,
        so the others are looked up for the rows that are left.

        As it was, the version of the fact's date is joined, of which there is one at most.
        """
        joins = []
        for role, declared in sorted(cube.joins.items(), key=lambda item: item[0] not in first):
            if role in roles:
                dimension = self.dimension(cube, role)
                history = self.history(dimension)
                on: list[Node] = [
                    equal(
                        parse_expression(dimension.key, role), parse_expression(declared.on, FACT)
                    )
                ]
                if history is not None:
                    on.extend(self._valid(cube, role))
                table = self.warehouse.table(history or dimension.table, role)
                joins.append(join(table, on))
                joins.extend(self.parent_join(dimension, role))
        return self.warehouse.table(cube.fact, FACT), joins

    def _valid(self, cube: Cube, role: str) -> list[Node]:
        """The conditions that a version is that of the fact's date."""
        time = self.times.get(cube.cube, cube.default_time)
        if time is None:
            raise _no_time(cube)
        return [
            exp.LTE(this=column(VALID_FROM, role), expression=self.date_of(cube, time)),
            exp.GT(this=column(VALID_TO, role), expression=self.date_of(cube, time)),
        ]

    def parent_join(self, dimension: Dimension, role: str) -> list[exp.Join]:
        """The join of a snowflaked dimension's parent table."""
        return parent_join(self.warehouse, dimension, role)

    def members(self, dimension: Dimension, role: str, conditions: list[Node]) -> exp.Select:
        """The keys of the dimension's members that meet the conditions (as it was: ever met)."""
        return select(
            [parse_expression(dimension.key, role)],
            self.warehouse.table(self.history(dimension) or dimension.table, role),
            self.parent_join(dimension, role),
            conditions,
        )


def _no_time(cube: Cube) -> QueryError:
    return QueryError(
        zh=f"立方体“{cube.cube}”没有时间，“as_was”没有意义。",
        en=f"Cube '{cube.cube}' has no time, so 'as_was' means nothing.",
    )


def parent_join(warehouse: Warehouse, dimension: Dimension, role: str) -> list[exp.Join]:
    """The join of a snowflaked dimension's parent table, if it has one."""
    parent = dimension.parent
    if parent is None:
        return []
    table = f"{role}__parent"
    on = equal(parse_expression(parent.key, table), parse_expression(parent.on, role))
    return [join(warehouse.table(parent.table, table), [on])]


def roles_in(cube: Cube, texts: list[str]) -> set[str]:
    """The joined roles that expressions over the fact name."""
    return {table for text in texts for table, _ in columns_of(text, FACT) if table in cube.joins}


_TRUNCATED = {"week", "month", "quarter", "year"}


def truncated(day: Node, grain: str) -> Node:
    """The first day of the `grain` a date lies in."""
    if grain not in _TRUNCATED:
        return day
    part = exp.Literal(this=grain, is_string=True)
    return as_date(exp.Anonymous(this="date_trunc", expressions=[part, day]))


def with_values(query: exp.Select, binding: Binding) -> tuple[str, dict[str, Any]]:
    """The statement, and those bound values that it names."""
    names = {node.name for node in query.find_all(exp.Placeholder)}
    values = {name: value for name, value in binding.parameters.items() if name in names}
    return query.sql(dialect="duckdb"), values
