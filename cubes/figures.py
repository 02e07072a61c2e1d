"""Figures: one aggregation of one cube's fact over axes and grouping sets.

Every statement is made of these; what is not additive (ratios, comparisons) is computed from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from cubes.axis import Axis
from cubes.binding import Binding, roles_in, truncated
from cubes.cube import FACT, Cube, Measure, StoredCount
from cubes.expression import parse_expression
from cubes.member import split_range
from cubes.period import Period
from cubes.predicate import cut_predicate, period_predicate, scope_predicate
from cubes.question import CutValues
from cubes.sql import (
    Node,
    alias,
    all_of,
    as_date,
    as_double,
    call,
    cast,
    coalesce,
    column,
    equal,
    greatest,
    join,
    least,
    number,
    select,
    text,
)

MASK = "_rolled_up"  # bit i from the left is 1 where axis i is rolled up

Set = tuple[int, ...]


@dataclass(frozen=True)
class Selection:
    """The rows of the fact that count: periods by time role, members by axis; None means no row."""

    periods: Mapping[str, Period] | None
    null_times: tuple[str, ...]
    members: tuple[tuple[Axis, CutValues], ...]


def key_name(axis: Axis) -> str:
    """The column that holds the axis's key."""
    return f"{axis.name}__id"


def mask_of(axes: Sequence[Axis], present: Set) -> int:
    """The value of the mask column in rows where the axes of `present` are kept."""
    count = len(axes)
    return sum(1 << (count - 1 - index) for index in range(count) if index not in present)


def figures(
    binding: Binding,
    cube: Cube,
    measures: Mapping[str, Measure],
    axes: Sequence[Axis],
    sets: Sequence[Set],
    selection: Selection,
) -> exp.Select:
    """The aggregation: a column for each axis, its key, the mask (if there are totals), measures.

    `measures` maps output names to aggregated (not ratio) measures of the cube.
    """
    inline = [axis for axis, _ in selection.members if axis.kind == "inline"]
    cut = cut_roles(selection)
    roles = _roles(cube, measures, [*axes, *inline]) | cut
    table, joins = binding.source(cube, roles, first=cut)
    grouped = _told_apart(binding, cube, axes)
    columns: list[Node] = []
    for axis, (value, key) in zip(axes, grouped, strict=True):
        columns.append(alias(value.copy(), axis.name))
        if key is not None:
            columns.append(alias(key.copy(), key_name(axis)))
    if len(sets) > 1:
        columns.append(alias(call("grouping", *(value.copy() for value, _ in grouped)), MASK))
    semi = [m for m in measures.values() if m.over_time is not None]
    if semi:
        joins = [*joins, join(edge(binding, cube), [])]
    for name, measure in measures.items():
        node = _measure(binding, cube, measure, axes, grouped, sets, selection)
        columns.append(alias(node, name))
    statement = select(columns, table, joins, conditions(binding, cube, selection))
    if len(sets) > 1:
        statement.set("group", _grouping_sets(grouped, sets))
    elif axes:
        statement.set("group", exp.Group(all=True))
    return statement


def conditions(binding: Binding, cube: Cube, selection: Selection) -> list[Node]:
    """Everything that limits the fact's rows."""
    found: list[Node] = []
    if cube.where is not None:
        found.append(parse_expression(cube.where, FACT))
    if selection.periods is None:
        found.append(exp.Boolean(this=False))
    else:
        for role, period in selection.periods.items():
            found.extend(
                period_predicate(binding, lambda role=role: binding.date_of(cube, role), period)  # type: ignore[misc]
            )
    for role in selection.null_times:
        found.append(exp.Is(this=binding.date_of(cube, role), expression=exp.Null()))
    for axis, values in selection.members:
        found.append(cut_predicate(binding, cube, axis, values))
    found.extend(scope_predicate(binding, cube))
    return found


def _roles(cube: Cube, measures: Mapping[str, Measure], axes: Sequence[Axis]) -> set[str]:
    texts = [axis.sql for axis in axes if axis.kind == "inline"]
    texts += [text for m in measures.values() for text in (m.sql, m.where) if text is not None]
    if cube.where is not None:
        texts.append(cube.where)
    return {axis.role for axis in axes if axis.kind == "member"} | roles_in(cube, texts)


def cut_roles(selection: Selection) -> set[str]:
    """The roles whose members are cut by what their dimension tells of them."""
    return {
        axis.role
        for axis, values in selection.members
        if axis.kind == "member" or (axis.kind == "key" and any(map(_is_member, values)))
    }


def _is_member(value: str | None) -> bool:
    """Whether a value of a key's cut is told by the dimension, not by the fact's own column."""
    return value is not None and split_range(value) is None


_Grouped = tuple[Node, Node | None]
"""What an axis is grouped by: its value, and its key if it has one."""


def _told_apart(binding: Binding, cube: Cube, axes: Sequence[Axis]) -> list[_Grouped]:
    """What each axis is grouped by, an expression of another axis written in another way.

    The engine takes equal expressions for one, so a subtotal that keeps one of two axes with the
    same expression would pass for a row that keeps both.
    """
    values: set[str] = set()
    every: set[str] = set()
    grouped: list[_Grouped] = []
    for axis in axes:
        value = _unlike(binding.value_of(cube, axis), every)
        key = None
        if axis.key is not None:
            key = _unlike(parse_expression(axis.key, axis.table), values)
        values.add(_written(value))
        every.update(_written(node) for node in (value, key) if node is not None)
        grouped.append((value, key))
    return grouped


def _unlike(node: Node, others: set[str]) -> Node:
    while _written(node) in others:
        node = coalesce(node, exp.Null())
    return node


def _written(node: Node) -> str:
    # To the engine names are equal in any case, and parentheses around the whole are nothing.
    return node.unnest().sql(dialect="duckdb").lower()


def _grouping_sets(grouped: Sequence[_Grouped], sets: Sequence[Set]) -> exp.Group:
    tuples = []
    for present in sets:
        nodes: list[Node] = []
        for index in present:
            nodes += [node.copy() for node in grouped[index] if node is not None]
        tuples.append(exp.Tuple(expressions=nodes))
    return exp.Group(grouping_sets=[exp.GroupingSets(expressions=tuples)])


def edge(binding: Binding, cube: Cube) -> exp.Subquery:
    """First and last date of the whole fact: other cuts and the scope do not move them."""
    assert cube.default_time is not None
    role = cube.default_time
    limits = [] if cube.where is None else [parse_expression(cube.where, FACT)]
    table, joins = binding.source(cube, roles_in(cube, [cube.where] if cube.where else []))
    query = select(
        [
            alias(call("min", binding.date_of(cube, role)), "first_on"),
            alias(call("max", binding.date_of(cube, role)), "last_on"),
        ],
        table,
        joins,
        limits,
    )
    return exp.Subquery(this=query, alias=exp.TableAlias(this=exp.Identifier(this="edge")))


def _measure(
    binding: Binding,
    cube: Cube,
    measure: Measure,
    axes: Sequence[Axis],
    grouped: Sequence[_Grouped],
    sets: Sequence[Set],
    selection: Selection,
) -> Node:
    if measure.over_time is None:
        return aggregate(measure, [])
    subsets: dict[frozenset[int], None] = {}
    timed = {
        index
        for index, axis in enumerate(axes)
        if axis.kind == "time" and axis.role == cube.default_time
    }
    for present in sets:
        subsets[frozenset(timed & set(present))] = None
    nodes = [
        (subset, _over_time(binding, cube, measure, [axes[i] for i in sorted(subset)], selection))
        for subset in subsets
    ]
    if len(nodes) == 1:
        return nodes[0][1]
    case = exp.Case()
    for subset, node in nodes:
        here = all_of(
            [
                equal(
                    call("grouping", grouped[index][0].copy()),
                    number(0 if index in subset else 1),
                )
                for index in sorted(timed)
            ]
        )
        case.append("ifs", exp.If(this=here, true=node))
    return case


def _over_time(
    binding: Binding,
    cube: Cube,
    measure: Measure,
    grouped: Sequence[Axis],
    selection: Selection,
) -> Node:
    """A semi-additive measure at the first or last day of the cut and of the time group.

    A row's group is known from its own date, so the day to take is an expression of the row.
    """
    assert cube.default_time is not None
    role = cube.default_time
    period = (selection.periods or {}).get(role, Period())

    def anchor(last: bool) -> Node:
        return _anchor(binding, cube, role, grouped, period, last)

    if measure.over_time == "avg":
        unit = text(cube.time[role].grain)
        if period.days is not None:
            raise_days = call("list_filter", binding.bind(list(period.days)), _within(anchor))
            days: Node = call("max", call("len", raise_days))
        else:
            span = call("date_diff", unit, anchor(False), anchor(True))
            days = exp.Add(this=call("max", span), expression=number(1))
        total = coalesce(aggregate(measure, []), number(0))
        return exp.Div(this=as_double(total), expression=as_double(days))
    day = equal(binding.date_of(cube, role), anchor(measure.over_time == "last"))
    node = aggregate(measure, [day])
    # A fact holds no row where its balance is zero, so no row on the day means zero.
    return coalesce(node, number(0)) if measure.agg == "sum" else node


def day_of_cut(binding: Binding, cube: Cube, selection: Selection, *, last: bool) -> Node:
    """The condition that a row lies on the last (first) day of the cut, where balances are taken.

    It needs the join of `edge`.
    """
    assert cube.default_time is not None
    period = (selection.periods or {}).get(cube.default_time, Period())
    anchor = _anchor(binding, cube, cube.default_time, (), period, last)
    return equal(binding.date_of(cube, cube.default_time), anchor)


def _within(anchor: object) -> Node:
    assert callable(anchor)
    name = exp.Identifier(this="x")
    condition = exp.Between(this=name.copy(), low=anchor(False), high=anchor(True))
    return exp.Lambda(this=condition, expressions=[name])


def _anchor(
    binding: Binding,
    cube: Cube,
    role: str,
    grouped: Sequence[Axis],
    period: Period,
    last: bool,
) -> Node:
    bounds: list[Node] = [column("last_on" if last else "first_on", "edge")]
    limit = period.end if last else period.start
    if limit is not None:
        bounds.append(binding.bind(limit))
    for axis in grouped:
        assert axis.grain is not None
        if axis.grain == "day":
            bounds.append(binding.date_of(cube, role))
            continue
        start = truncated(binding.date_of(cube, role), axis.grain)
        bounds.append(_end_of(start, axis.grain) if last else start)
    day = least(bounds) if last else greatest(bounds)
    if cube.time[role].grain == "month":
        day = truncated(day, "month")
    if period.days is None:
        return day
    # The cut is a set of days: take the last (first) of them that is not beyond the bound.
    name = exp.Identifier(this="x")
    compared = exp.LTE if last else exp.GTE
    chosen = call(
        "list_filter",
        binding.bind(list(period.days)),
        exp.Lambda(this=compared(this=name.copy(), expression=day), expressions=[name]),
    )
    return call("list_max" if last else "list_min", chosen)


def _end_of(start: Node, grain: str) -> Node:
    count, unit = {"week": (7, "DAY"), "month": (1, "MONTH"), "quarter": (3, "MONTH")}.get(
        grain, (1, "YEAR")
    )
    step = exp.Interval(this=text(str(count)), unit=exp.Var(this=unit))
    following = as_date(exp.Add(this=start, expression=step))
    return exp.Sub(this=following, expression=number(1))


def aggregate(measure: Measure, extra: list[Node]) -> Node:
    """The aggregation over the fact's rows that meet `extra`; the measure is no ratio."""

    def value() -> Node:
        assert measure.sql is not None
        return parse_expression(measure.sql, FACT)

    def filtered(node: Node) -> Node:
        limits = [] if measure.where is None else [parse_expression(measure.where, FACT)]
        limits += [condition.copy() for condition in extra]
        if not limits:
            return node
        return exp.Filter(this=node, expression=exp.Where(this=all_of(limits)))

    if isinstance(measure, StoredCount):
        parts = filtered(call("sum", value()))
        return coalesce(cast(parts, exp.DType.BIGINT), number(0))
    if measure.agg == "count":
        return filtered(call("count", exp.Star() if measure.sql is None else value()))
    if measure.agg == "count_distinct":
        return filtered(call("count", exp.Distinct(expressions=[value()])))
    if measure.agg == "avg":
        total = as_double(filtered(call("sum", value())))
        count = call("nullif", filtered(call("count", value())), number(0))
        return exp.Div(this=total, expression=count)
    if measure.agg == "percentile":
        assert measure.p is not None
        return filtered(call("quantile_cont", as_double(value()), number(measure.p)))
    assert measure.agg is not None
    node = filtered(call(measure.agg, value()))
    if measure.divide_by is not None:
        return exp.Div(this=as_double(node), expression=number(measure.divide_by))
    return node
