"""Comparison of two periods: the compared selection, its dates aligned, both sides joined."""

from __future__ import annotations

from sqlglot import exp

from cubes.axis import GRAIN_LABELS
from cubes.binding import Binding
from cubes.compared_period import Shift
from cubes.cube import Measure
from cubes.errors import QueryError
from cubes.figures import MASK, Selection, key_name
from cubes.period import Period, to_months
from cubes.plan import Plan, output_names
from cubes.predicate import period_predicate
from cubes.sql import (
    Node,
    alias,
    all_of,
    as_date,
    as_double,
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
)


def compared_selection(plan: Plan, period: Period) -> Selection:
    """The same rows in the compared period."""
    selection = plan.selection
    assert selection.periods is not None and plan.time_role is not None
    if plan.cube.time[plan.time_role].grain == "month" and period.months is None:
        period = to_months(period)
    return Selection(
        {**selection.periods, plan.time_role: period},
        selection.null_times,
        selection.members,
    )


_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def shifted(
    binding: Binding, plan: Plan, columns: list[Node], base: str, shift: Shift
) -> tuple[list[Node], list[Node], list[exp.Join]]:
    """Move the dates of the compared side onto the dates they are compared with.

    Gives the columns, conditions that leave out what has no counterpart, and joins they need.
    """
    times = {a.name: a for a in plan.axes if a.kind == "time" and a.role == plan.time_role}
    where: list[Node] = []
    joins: list[exp.Join] = []
    result = []
    for node in columns:
        axis = times.get(node.name)
        if axis is None:
            result.append(node)
            continue
        table = node.args.get("table")
        if shift.pairs and axis.grain == "day":
            joins = [_counterparts(binding, shift, column(axis.name, base))]
            result.append(alias(column("aligned_on", "counterpart"), axis.name))
            continue
        fits = (
            shift.months % _MONTHS[str(axis.grain)] == 0 and shift.months > 0
            if axis.grain in _MONTHS
            else shift.days % 7 == 0 and shift.days > 0
            if axis.grain == "week"
            else shift.months > 0 or shift.days > 0
        )
        if not fits:
            raise QueryError(
                zh=f"“compare: {plan.query.compare}”无法把“{axis.name}”与时期"
                f"“{plan.query.period}”对齐；请去掉“{axis.name}”，改按“{axis.role}.day”分组，"
                f"或选由整{GRAIN_LABELS[str(axis.grain)].zh}组成的时期。",
                en=f"'compare: {plan.query.compare}' cannot align '{axis.name}' with the period "
                f"'{plan.query.period}'; leave '{axis.name}' out, ask by '{axis.role}.day', or "
                f"choose a period made of whole {axis.grain}s.",
            )
        unit, count = ("MONTH", shift.months) if shift.months else ("DAY", shift.days)
        step = exp.Interval(this=text(str(count)), unit=exp.Var(this=unit))
        here = exp.Column(this=node.this.copy(), table=table)
        moved = as_date(exp.Add(this=here, expression=step))
        if axis.grain == "day" and shift.months:
            # The 31st of a longer month has no counterpart: it is left out, not counted twice. Nor
            # has the last day of a shorter one, where the period has only days beyond it.
            day = equal(call("day", here.copy()), call("day", moved.copy()))
            period = (plan.selection.periods or {}).get(plan.time_role or "", Period())
            asked = all_of([day, *period_predicate(binding, moved.copy, period)])
            where.append(exp.Or(this=asked, expression=is_null(here.copy())))
        result.append(alias(moved, axis.name))
    return result, where, joins


def _counterparts(binding: Binding, shift: Shift, compared: Node) -> exp.Join:
    """The days of the period that compared days are held against, as a table to join."""
    pairs = select(
        [
            alias(call("unnest", binding.bind([day for day, _ in shift.pairs])), "compared_on"),
            alias(call("unnest", binding.bind([day for _, day in shift.pairs])), "aligned_on"),
        ]
    )
    table = exp.Subquery(this=pairs, alias=exp.TableAlias(this=exp.Identifier(this="counterpart")))
    return join(table, [equal(compared, column("compared_on", "counterpart"))])


def side_by_side(plan: Plan, has_mask: bool) -> exp.Select:
    """Both sides joined: members of either side, with previous, change and change ratio."""
    names = output_names(plan.axes, (), has_mask)
    on: list[Node] = []
    for axis in plan.axes:
        name = axis.name if axis.key is None else key_name(axis)
        on.append(same(column(name, "current"), column(name, "previous")))
    if has_mask:
        on.append(equal(column(MASK, "current"), column(MASK, "previous")))
    columns: list[Node] = [
        alias(coalesce(column(name, "current"), column(name, "previous")), name) for name in names
    ]
    for name, measure in plan.measures.items():

        def value(side: str, name: str = name, measure: Measure = measure) -> Node:
            node = column(name, side)
            return coalesce(node, number(0)) if measure.is_zero_when_empty else node

        change = exp.Sub(this=value("current"), expression=value("previous"))
        size = call("nullif", call("abs", as_double(value("previous"))), number(0))
        columns += [
            alias(value("current"), name),
            alias(value("previous"), f"{name}__previous"),
            alias(change, f"{name}__change"),
            alias(
                exp.Div(this=as_double(exp.Paren(this=change.copy())), expression=size),
                f"{name}__change_ratio",
            ),
        ]
    return select(columns, named("current"), [join(named("previous"), on, "FULL")])
