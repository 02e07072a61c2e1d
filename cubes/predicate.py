"""Predicates: cuts on members, periods and scope, as conditions on the fact's own columns.

A cut on a dimension is a condition on its joined table, which the engine turns into a filter of the
fact; over the dimension alone the same condition tells whether the member exists at all.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlglot import exp

from cubes.axis import Axis, Step
from cubes.binding import Binding
from cubes.cube import FACT, Cube
from cubes.dimension import Dimension
from cubes.errors import QueryError
from cubes.expression import parse_expression, plain_column
from cubes.label import Label
from cubes.member import Member, format_member, parse_member, split_range
from cubes.period import Period
from cubes.sql import (
    Node,
    all_of,
    any_of,
    call,
    cast,
    column,
    equal,
    inside,
    is_null,
    select,
    unnest,
)

_TEXT_TYPES = {"VARCHAR"}

NUMBER_TYPES = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "UHUGEINT", "DECIMAL", "DOUBLE", "FLOAT",
)  # fmt: skip
"""How the engine's names of the types of numbers begin."""

_NUMBER = Label(zh="数字", en="number")
_READ: tuple[tuple[str, Label, Callable[[str], object]], ...] = (
    *((number, _NUMBER, Decimal) for number in NUMBER_TYPES),
    ("DATE", Label(zh="日期", en="date"), date.fromisoformat),
    ("TIMESTAMP", Label(zh="日期或时刻", en="date or time"), datetime.fromisoformat),
)
"""How the ends of a range are called and read, by the beginning of the column's type."""

Condition = Callable[[], Node]


def period_predicate(binding: Binding, day: Callable[[], Node], period: Period) -> list[Node]:
    """Conditions that a date lies in the period."""
    if period.days is not None:
        return [inside(day(), unnest(binding.bind(list(period.days))))]
    if period.start is not None and period.start == period.end:
        return [equal(day(), binding.bind(period.start))]
    conditions: list[Node] = []
    if period.start is not None:
        conditions.append(exp.GTE(this=day(), expression=binding.bind(period.start)))
    if period.end is not None:
        conditions.append(exp.LTE(this=day(), expression=binding.bind(period.end)))
    return conditions


def cut_predicate(binding: Binding, cube: Cube, axis: Axis, values: tuple[Any, ...]) -> Node:
    """The condition that a member axis takes one of the values (None: the null member)."""
    return any_of([_value_predicate(binding, cube, axis, value) for value in values])


def _value_predicate(binding: Binding, cube: Cube, axis: Axis, value: str | None) -> Node:
    if value is None:
        return _null_predicate(binding, cube, axis)
    value = _coded(axis, value)
    bounds = split_range(value)
    if axis.kind == "inline":
        if bounds is not None:
            return _range(binding, cube, axis, bounds)
        member = parse_member(value)
        return _equals(binding, cube, axis.sql, FACT, member.code or member.literal)
    if bounds is not None:
        if len(axis.steps) > 1 and (axis.kind == "key" or axis.key is not None):
            raise QueryError(
                zh=f"“{value}”是一个区间，但“{axis.name}”的成员只有名称，没有先后；"
                "请逐个写出成员。",
                en=f"'{value}' is a range, but '{axis.name}' has named members only, which have "
                "no order; name them.",
            )
        return _range(binding, cube, axis, bounds)
    return member_conditions(binding, cube, axis, parse_member(value))


def _coded(axis: Axis, value: str) -> str:
    """The code of a value that people read by a declared label, as they may write that too."""
    codes = [code for code, _ in axis.values]
    if not codes or split_range(value) is not None:
        return value
    member = parse_member(value)
    if member.code is not None or member.literal in codes:
        return value
    for code, label in axis.values:
        if member.literal in (label.zh, label.en):
            return format_member((code,))
    return value


def _null_predicate(binding: Binding, cube: Cube, axis: Axis) -> Node:
    if axis.kind != "member":
        return is_null(parse_expression(axis.sql, FACT))
    return is_null(parse_expression(axis.sql, axis.role))


def member_conditions(binding: Binding, cube: Cube, axis: Axis, member: Member) -> Node:
    """The condition on the dimension's own table that picks one member."""
    assert axis.dimension is not None
    dimension, role = axis.dimension, axis.role

    def equals(sql: str, value: str) -> Node:
        return _equals(binding, cube, sql, role, value)

    if axis.kind == "key":
        wanted = member.code or member.literal
        choices = [equals(dimension.key, wanted)]
        if member.code is not None:
            if dimension.code is not None:
                choices.append(equals(dimension.code, wanted))
            choices += [equals(key, wanted) for step in axis.steps for key in step.keys]
        else:
            if axis.steps:
                choices.append(_path(equals, axis, axis.steps, member))
                if len(member.path) == 1:
                    # The id of a unit means all below it, with or without its sign.
                    choices += [equals(key, wanted) for step in axis.steps for key in step.keys]
            else:
                choices += [equals(name, wanted) for name in axis.names]
        return any_of(choices)
    if member.code is not None:
        step = axis.steps[-1]
        return any_of([equals(sql, member.code) for sql in step.keys or step.values])
    if len(axis.steps) == 1 and axis.hierarchy is None:
        return any_of([equals(sql, member.literal) for sql in axis.steps[0].values])
    start = len(axis.steps) - len(member.path)
    if start < 0:
        path = "/".join(member.path)
        raise QueryError(
            zh=f"成员“{path}”有 {len(member.path)} 段名称，但“{axis.name}”在第 "
            f"{len(axis.steps)} 级；名称里的“/”请写成“\\/”。",
            en=f"The member '{path}' has {len(member.path)} names, but '{axis.name}' lies at "
            f"level {len(axis.steps)}; write '/' in a name as '\\/'.",
        )
    return _path(equals, axis, axis.steps[start:], member)


def _path(
    equals: Callable[[str, str], Node], axis: Axis, steps: tuple[Step, ...], member: Member
) -> Node:
    if len(member.path) > len(steps):
        path = "/".join(member.path)
        raise QueryError(
            zh=f"成员“{path}”有 {len(member.path)} 段名称，但“{axis.name}”只有 {len(steps)} 级；"
            "名称里的“/”请写成“\\/”。",
            en=f"The member '{path}' has {len(member.path)} names, but '{axis.name}' has "
            f"{len(steps)} levels; write '/' in a name as '\\/'.",
        )
    return all_of(
        [
            any_of([equals(sql, name) for sql in step.values])
            for step, name in zip(steps, member.path, strict=False)
        ]
    )


def _equals(binding: Binding, cube: Cube, sql: str, table: str, value: str) -> Node:
    node = parse_expression(sql, table)
    kind = binding.column_type(cube, sql, table)
    if kind in _TEXT_TYPES:
        return equal(node, binding.bind(value))
    if kind is None:
        return equal(cast(node, exp.DType.TEXT), binding.bind(value))
    return equal(node, _typed(binding, kind, value))


def _typed(binding: Binding, kind: str, value: str) -> Node:
    # A text that is no such value becomes null and matches nothing, so it is an unknown member.
    return exp.TryCast(this=binding.bind(value), to=exp.DataType.build(kind, dialect="duckdb"))


def _range(binding: Binding, cube: Cube, axis: Axis, bounds: tuple[str, str]) -> Node:
    kind = binding.column_type(cube, axis.sql, axis.table)
    if bounds == ("", ""):
        raise QueryError(
            zh=f"“{axis.name}”的区间“..”至少要写一端。",
            en=f"The range '..' of '{axis.name}' needs at least one end.",
        )
    conditions: list[Node] = []
    for text, comparison in ((bounds[0], exp.GTE), (bounds[1], exp.LTE)):
        if text:
            node: Node = parse_expression(axis.sql, axis.table)
            literal = parse_member(text).literal
            if kind in _TEXT_TYPES:
                bound: Node = binding.bind(literal)
            elif kind is not None:
                _require_bound(axis, kind, literal)
                bound = _typed(binding, kind, literal)
            else:
                # The type of a computed value is not known: numbers are held against numbers, and
                # all else, dates too, as it is written.
                try:
                    bound = binding.bind(float(literal))
                    node = exp.TryCast(this=node, to=exp.DataType.build("double"))
                except ValueError:
                    bound = binding.bind(literal)
                    node = cast(node, exp.DType.TEXT)
            conditions.append(comparison(this=node, expression=bound))
    return all_of(conditions)


def _require_bound(axis: Axis, kind: str, literal: str) -> None:
    """Refuse an end of a range that is no value of the axis's type; it would match nothing."""
    for start, noun, read in _READ:
        if not kind.startswith(start):
            continue
        try:
            read(literal)
        except (ValueError, ArithmeticError) as error:
            raise QueryError(
                zh=f"“{literal}”不是{noun.zh}，“{axis.name}”的区间不能以它开始或结束。",
                en=f"'{literal}' is no {noun.en}, so no range of '{axis.name}' can begin or end "
                "with it.",
            ) from error
        return


def existence(binding: Binding, cube: Cube, axis: Axis, value: str) -> exp.Select | None:
    """A query with a row if the account may know the member; None where that is no question."""
    if split_range(value) is not None:
        return None
    member = parse_member(_coded(axis, value))
    one: Node = exp.Literal(this="1", is_string=False)
    if axis.kind == "inline":
        wanted = member.code or member.literal
        if wanted in dict(axis.values):
            return None
        condition = _equals(binding, cube, axis.sql, FACT, wanted)
        return _limited(
            select(
                [one],
                *binding.source(cube, set(cube.joins)),
                [condition, *scope_predicate(binding, cube)],
            )
        )
    assert axis.dimension is not None
    if axis.kind == "member" and (member.code or member.literal) in dict(axis.values):
        return None
    wanted_member = member_conditions(binding, cube, axis, member)
    visible = visible_members(binding, cube, axis.dimension, axis.role)
    return _limited(binding.members(axis.dimension, axis.role, [wanted_member, *visible]))


def _limited(query: exp.Select) -> exp.Select:
    query.set("limit", exp.Limit(expression=exp.Literal(this="1", is_string=False)))
    return query


def _units_below(binding: Binding, closure: str, unit_ids: tuple[str, ...]) -> exp.Select:
    """The units of today's tree below those named, themselves included.

    A closed unit keeps its last place, so that its history stays visible; a place that a later one
    replaced (the unit moved) no longer counts.
    """
    units = _units(binding, unit_ids, closure, "ancestor_id")
    conditions: list[Node] = [inside(column("ancestor_id", "here"), units)]
    if {"valid_from", "valid_to"} <= set(binding.warehouse.tables.get(closure, {})):
        later = select(
            [exp.Literal(this="1", is_string=False)],
            binding.warehouse.table(closure, "later"),
            (),
            [
                equal(column("descendant_id", "later"), column("descendant_id", "here")),
                exp.GTE(this=column("valid_from", "later"), expression=column("valid_to", "here")),
            ],
        )
        conditions.append(exp.Not(this=exp.Exists(this=later)))
    table = binding.warehouse.table(closure, "here")
    return select([column("descendant_id", "here")], table, (), conditions)


def units_in_scope(binding: Binding, unit_ids: tuple[str, ...]) -> exp.Select:
    """The units named and those below, by the dimension on which scopes apply."""
    for dimension in binding.catalogue.dimensions.values():
        if dimension.scope and dimension.closure is not None:
            return _units_below(binding, dimension.closure, unit_ids)
    return unnest(binding.bind(list(unit_ids)))


def scope_predicate(binding: Binding, cube: Cube) -> list[Node]:
    """The conditions of the account's scope on the cube's fact; empty when all is visible.

    A row is visible by its first unit or by a second one the cube declares. Raises QueryError if
    the cube has no dimension on which a scope can apply: showing everything would be a leak.
    """
    unit_ids = binding.scope.unit_ids
    if unit_ids is None:
        return []
    visible: list[Node] = [
        inside(
            parse_expression(cube.joins[role].on, FACT),
            _visible_units(binding, cube, role, unit_ids),
        )
        for role in scoping_roles(binding, cube)
    ]
    return [any_of(visible)]


def visible_members(binding: Binding, cube: Cube, dimension: Dimension, role: str) -> list[Node]:
    """The conditions on a dimension's members that a restricted account may know of.

    Those of its own units, and those in rows of the cube that it may see (a case may be held by
    another unit). Reference data that belong to no unit are known to everybody.
    """
    unit_ids = binding.scope.unit_ids
    unit = dimension.key if dimension.scope else dimension.unit
    if unit_ids is None or unit is None:
        return []
    scoping, *second = scoping_roles(binding, cube)
    own = inside(parse_expression(unit, role), _visible_units(binding, cube, scoping, unit_ids))
    visible: Node = own
    if role != scoping or second:
        seen = select(
            [parse_expression(cube.joins[role].on, FACT)],
            binding.warehouse.table(cube.fact, FACT),
            (),
            scope_predicate(binding, cube),
        )
        visible = any_of([own, inside(parse_expression(dimension.key, role), seen)])
    if binding.history(dimension) is None:
        return [visible]
    # Jurisdiction is by today's tree: who may know a member today may know what it was.
    table = binding.warehouse.table(dimension.table, role)
    key = parse_expression(dimension.key, role)
    today = select([key], table, binding.parent_join(dimension, role), [visible])
    return [inside(key.copy(), today)]


def scoping_roles(binding: Binding, cube: Cube) -> list[str]:
    """The roles by which a restricted account may see a row, the first one first.

    Raises QueryError if there is none.
    """
    scoped = [role for role in cube.joins if binding.dimension(cube, role).scope]
    first = [role for role in scoped if cube.joins[role].scope == "first"][:1]
    if not first:
        raise QueryError(
            zh=f"立方体“{cube.cube}”没有可以限定管辖范围的维度，受范围限制的账号不能看。",
            en=f"Cube '{cube.cube}' has no dimension with a scope, so a restricted account may "
            "not see it.",
        )
    return first + [role for role in scoped if cube.joins[role].scope == "second"]


def _visible_units(
    binding: Binding, cube: Cube, role: str, unit_ids: tuple[str, ...]
) -> exp.Select:
    dimension = binding.dimension(cube, role)
    if dimension.closure is None:
        key = plain_column(dimension.key, role)
        return _units(binding, unit_ids, dimension.table, key or "")
    return _units_below(binding, dimension.closure, unit_ids)


def _units(binding: Binding, unit_ids: tuple[str, ...], table: str, key: str) -> exp.Select:
    """The units named, in the type of the column they are looked for in."""
    found: Node = call("unnest", binding.bind(list(unit_ids)))
    kind = binding.warehouse.column_type(table, key)
    if kind is not None and kind != "VARCHAR":
        found = exp.TryCast(this=found, to=exp.DataType.build(kind, dialect="duckdb"))
    return select([found])
