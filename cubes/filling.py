"""Filling gaps in time: every member gets every day (week, month ...) of the cut."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlglot import exp

from cubes.axis import Axis
from cubes.binding import Binding, truncated
from cubes.cube import GRAINS
from cubes.errors import QueryError
from cubes.figures import MASK, Set, key_name, mask_of
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
    sets: Sequence[Set],
    time_role: str | None,
    period: Period,
    measures: Sequence[str],
    zero: Collection[str],
    source: str,
) -> exp.Select:
    """Rows of `source` with the missing ones added; measures in `zero` become 0, others null.

    Of every grouping set that keeps a time the gaps are filled, so that subtotals have them too.
    Without a time in the query only the missing values are filled.
    """
    has_mask = len(sets) > 1
    times = [axis for axis in axes if axis.kind == "time" and axis.role == time_role]
    if not times:
        _require_no_time(axes, time_role)
        columns: list[Node] = [column(name) for name in _names(axes, has_mask)]
        columns += [_value(name, None, zero) for name in measures]
        return select(columns, named(source))
    if _finest(times).grain != "day" and len(times) > 1 and any(t.grain == "week" for t in times):
        raise QueryError(
            zh="“fill”不能把周和更粗的时间放在一起；请只用其中一种。",
            en="'fill' cannot combine weeks with coarser times; ask for one of them.",
        )
    whole = mask_of(axes, sets[0]) if has_mask else None
    parts: list[exp.Query] = []
    for present in sets:
        kept = [axes[index] for index in present]
        mask = mask_of(axes, present) if has_mask else None
        own = [axis for axis in kept if axis in times]
        if own:
            spine = _spine(period, own, _finest(times), source, whole, binding)
            parts.append(_complete(axes, kept, own, spine, mask, measures, zero, source))
        parts.append(_rest(axes, own, mask, measures, zero, source))
    united = parts[0]
    for part in parts[1:]:
        united = exp.Union(this=united, expression=part, distinct=False)
    return exp.Select(expressions=[exp.Star()], from_=exp.From(this=_subquery(united, "complete")))


def _finest(times: Sequence[Axis]) -> Axis:
    return max(times, key=lambda axis: GRAINS.index(axis.grain))


def _complete(
    axes: Sequence[Axis],
    kept: Sequence[Axis],
    times: Sequence[Axis],
    spine: exp.Select,
    mask: int | None,
    measures: Sequence[str],
    zero: Collection[str],
    source: str,
) -> exp.Select:
    """The rows of one grouping set: every date of the spine with every member there is."""
    others = [axis for axis in kept if axis not in times]
    on: list[Node] = [same(column(axis.name, source), column(axis.name, "spine")) for axis in times]
    for axis in others:
        for name in _columns_of(axis):
            on.append(same(column(name, source), column(name, "members")))
    on += _of_set(mask, source)
    columns: list[Node] = []
    for axis in axes:
        if axis not in kept:
            columns += [alias(exp.Null(), name) for name in _columns_of(axis)]
        else:
            table = "spine" if axis in times else "members"
            columns += [column(name, table) for name in _columns_of(axis)]
    if mask is not None:
        columns.append(alias(number(mask), MASK))
    columns += [_value(name, source, zero) for name in measures]
    joins = [join(named(source), on)]
    if others:
        own: list[Node] = [column(name, source) for axis in others for name in _columns_of(axis)]
        members = select(own, named(source), (), _of_set(mask, source))
        members.set("distinct", exp.Distinct())
        joins.insert(0, join(_subquery(members, "members"), []))
    return select(columns, _subquery(spine, "spine"), joins)


def _rest(
    axes: Sequence[Axis],
    times: Sequence[Axis],
    mask: int | None,
    measures: Sequence[str],
    zero: Collection[str],
    source: str,
) -> exp.Select:
    """The rows of one grouping set that have no place on a spine: without a time or a known one."""
    limits = _of_set(mask, source)
    if times:
        limits.append(is_null(column(_finest(times).name, source)))
    columns: list[Node] = [column(name, source) for name in _names(axes, mask is not None)]
    columns += [_value(name, source, zero) for name in measures]
    return select(columns, named(source), (), limits)


def _of_set(mask: int | None, source: str) -> list[Node]:
    return [] if mask is None else [equal(column(MASK, source), number(mask))]


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
    period: Period,
    times: Sequence[Axis],
    finest: Axis,
    source: str,
    whole: int | None,
    binding: Binding,
) -> exp.Select:
    """Every date of the period as the times of a grouping set tell it.

    An open end is that of the rows, whose `finest` time is in the set `whole`.
    """
    grains = [str(axis.grain) for axis in times]
    # A week may lie in two months, so beside another time it is told day by day.
    grain = str(_finest(times).grain) if len(times) == 1 or "week" not in grains else "day"
    if period.days is not None:
        days = unnest(binding.bind(list(period.days)))
        days.set("expressions", [alias(days.expressions[0], "day")])
        dates = _subquery(days, "days")
    else:

        def bound(limit: object, aggregate: str) -> Node:
            if limit is not None:
                return truncated(as_date(binding.bind(limit)), grain)
            ends = call(aggregate, column(finest.name, source))
            query = select([ends], named(source), (), _of_set(whole, source))
            return truncated(exp.Subquery(this=query), grain)

        count, unit = _STEPS[grain]
        step = exp.Interval(this=text(str(count)), unit=exp.Var(this=unit))
        series = call("generate_series", bound(period.start, "min"), bound(period.end, "max"), step)
        listed = select([alias(as_date(call("unnest", series)), "day")])
        dates = _subquery(listed, "days")
    told: list[Node] = [
        alias(truncated(column("day"), str(axis.grain)), axis.name) for axis in times
    ]
    query = select(told, dates)
    query.set("distinct", exp.Distinct())
    return query
