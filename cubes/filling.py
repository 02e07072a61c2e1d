"""Filling gaps in time: every member gets every day (week, month ...) of the cut."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlglot import exp

from cubes.axis import Axis
from cubes.binding import Binding, truncated
from cubes.cube import GRAINS
from cubes.errors import QueryError
from cubes.figures import MASK, key_name
from cubes.period import Period
from cubes.sql import (
    Node,
    alias,
    as_date,
    call,
    coalesce,
    column,
    equal,
    is_null,
    join,
    named,
    number,
    same,
    select,
    text,
    unnest,
)

_STEPS = {
    "day": (1, "DAY"),
    "week": (7, "DAY"),
    "month": (1, "MONTH"),
    "quarter": (3, "MONTH"),
    "year": (1, "YEAR"),
}


def filled(
    binding: Binding,
    axes: Sequence[Axis],
    time_role: str | None,
    period: Period,
    measures: Sequence[str],
    zero: Collection[str],
    has_mask: bool,
    source: str,
) -> exp.Select:
    """Rows of `source` with the missing ones added; measures in `zero` become 0, others null.

    Without a time in the query only the missing values are filled.
    """
    times = [axis for axis in axes if axis.kind == "time" and axis.role == time_role]
    if not times:
        _require_no_time(axes, time_role)
        columns: list[Node] = [column(name) for name in _names(axes, has_mask)]
        columns += [_value(name, None, zero) for name in measures]
        return select(columns, named(source))
    finest = max(times, key=lambda axis: GRAINS.index(axis.grain))
    if len(times) > 1 and finest.grain != "day" and any(t.grain == "week" for t in times):
        raise QueryError(
            zh="“fill”不能把周和更粗的时间放在一起；请只用其中一种。",
            en="'fill' cannot combine weeks with coarser times; ask for one of them.",
        )
    others = [axis for axis in axes if axis not in times]
    spine = _spine(period, finest, source, has_mask, binding)
    own = [column(name, source) for axis in others for name in _columns_of(axis)]
    limits = [equal(column(MASK, source), number(0))] if has_mask else []
    members = select(own, named(source), (), limits)
    members.set("distinct", exp.Distinct())
    on: list[Node] = [same(column(finest.name, source), column("on_day", "spine"))]
    for axis in others:
        for name in _columns_of(axis):
            on.append(same(column(name, source), column(name, "members")))
    if has_mask:
        on.append(equal(column(MASK, source), number(0)))
    columns = []
    for axis in axes:
        if axis in times:
            columns.append(alias(truncated(column("on_day", "spine"), str(axis.grain)), axis.name))
        else:
            columns += [column(name, "members") for name in _columns_of(axis)]
    if has_mask:
        columns.append(alias(number(0), MASK))
    columns += [_value(name, source, zero) for name in measures]
    joins = [join(named(source), on)]
    table: Node = _subquery(spine, "spine")
    if others:
        joins.insert(0, join(_subquery(members, "members"), []))
    complete = select(columns, table, joins)
    rest_limits: list[Node] = [is_null(column(finest.name, source))]
    rest_columns: list[Node] = [column(name, source) for name in _names(axes, has_mask)]
    rest_columns += [_value(name, source, zero) for name in measures]
    # Totals, and rows whose time is unknown, have no place on the spine.
    rest = select(rest_columns, named(source), (), rest_limits)
    if has_mask:
        other_sets = exp.NEQ(this=column(MASK, source), expression=number(0))
        rest.set("where", exp.Where(this=exp.Or(this=rest_limits[0], expression=other_sets)))
    return exp.Select(
        expressions=[exp.Star()],
        from_=exp.From(
            this=_subquery(exp.Union(this=complete, expression=rest, distinct=False), "complete")
        ),
    )


def _require_no_time(axes: Sequence[Axis], time_role: str | None) -> None:
    """Refuse dates of another time: they would stay as they are, gaps and all."""
    other = next((axis for axis in axes if axis.kind == "time"), None)
    if other is not None:
        raise QueryError(
            zh=f"“fill”补的是时间“{time_role}”的日期，而查询按“{other.name}”分组；"
            f"请写“time: {other.role}”，或去掉“fill”。",
            en=f"'fill' adds the dates of time '{time_role}', but the query is by '{other.name}'; "
            f"ask with 'time: {other.role}', or leave 'fill' out.",
        )


def _subquery(query: exp.Query, name: str) -> exp.Subquery:
    return exp.Subquery(this=query, alias=exp.TableAlias(this=exp.Identifier(this=name)))


def _columns_of(axis: Axis) -> list[str]:
    return [axis.name] if axis.key is None else [axis.name, key_name(axis)]


def _names(axes: Sequence[Axis], has_mask: bool) -> list[str]:
    names = [name for axis in axes for name in _columns_of(axis)]
    return [*names, MASK] if has_mask else names


def _value(name: str, table: str | None, zero: Collection[str]) -> Node:
    node = column(name, table)
    return alias(coalesce(node, number(0)), name) if name in zero else node


def _spine(
    period: Period, finest: Axis, source: str, has_mask: bool, binding: Binding
) -> exp.Select:
    grain = str(finest.grain)
    if period.days is not None:
        days = unnest(binding.bind(list(period.days)))
        days.set("expressions", [alias(days.expressions[0], "day")])
        query = select([alias(truncated(column("day"), grain), "on_day")], _subquery(days, "days"))
        query.set("distinct", exp.Distinct())
        return query

    def bound(limit: object, aggregate: str) -> Node:
        if limit is not None:
            return truncated(as_date(binding.bind(limit)), grain)
        limits = [equal(column(MASK), number(0))] if has_mask else []
        query = select([call(aggregate, column(finest.name))], named(source), (), limits)
        return exp.Subquery(this=query)

    count, unit = _STEPS[grain]
    step = exp.Interval(this=text(str(count)), unit=exp.Var(this=unit))
    series = call("generate_series", bound(period.start, "min"), bound(period.end, "max"), step)
    return select([alias(as_date(call("unnest", series)), "on_day")])
