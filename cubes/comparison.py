"""Comparison of two periods: the compared selection, its dates aligned, both sides joined."""

from __future__ import annotations

from sqlglot import exp

from cubes.cube import Measure
from cubes.errors import QueryError
from cubes.figures import MASK, Selection, key_name
from cubes.period import (
    Period,
    Shift,
    to_months,
)
from cubes.plan import Plan, output_names
from cubes.sql import (
    Node,
    alias,
    as_date,
    as_double,
    call,
    coalesce,
    column,
    equal,
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
    if plan.cube.time[plan.time_role].grain == "month":
        period = to_months(period)
    return Selection(
        {**selection.periods, plan.time_role: period},
        selection.null_times,
        selection.members,
    )


_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def shifted(
    plan: Plan, columns: list[Node], table: str | None, shift: Shift
) -> tuple[list[Node], list[Node]]:
    """Move the dates of the compared side onto the dates they are compared with."""
    times = {a.name: a for a in plan.axes if a.kind == "time" and a.role == plan.time_role}
    where: list[Node] = []
    result = []
    for node in columns:
        axis = times.get(node.name)
        if axis is None:
            result.append(node)
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
                f"'compare: {plan.query.compare}' cannot align '{axis.name}' with the period "
                f"'{plan.query.period}'; leave '{axis.name}' out or choose a period made of "
                f"whole {axis.grain}s."
            )
        unit, count = ("MONTH", shift.months) if shift.months else ("DAY", shift.days)
        step = exp.Interval(this=text(str(count)), unit=exp.Var(this=unit))
        moved = as_date(exp.Add(this=column(axis.name, table), expression=step))
        if axis.grain == "day" and shift.months:
            # The 31st of a longer month has no counterpart: it is left out, not counted twice.
            day = equal(call("day", column(axis.name, table)), call("day", moved.copy()))
            where.append(
                exp.Or(
                    this=day,
                    expression=exp.Is(this=column(axis.name, table), expression=exp.Null()),
                )
            )
        result.append(alias(moved, axis.name))
    return result, where


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
