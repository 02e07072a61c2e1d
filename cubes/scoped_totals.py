"""What a restricted account sees of totals: of its own rows, of all rows, or only complete ones."""

from __future__ import annotations

from sqlglot import exp

from cubes.binding import Binding
from cubes.figures import MASK, key_name
from cubes.plan import Plan, output_names
from cubes.sql import (
    Node,
    alias,
    all_of,
    any_of,
    coalesce,
    column,
    equal,
    is_null,
    join,
    named,
    number,
    same,
    select,
)

ROWS = "_rows"
"""The number of rows of the fact behind a figure."""

TOLD = "_told"
"""Whether the account may be told a total of one side of a comparison."""


def has_other_totals(binding: Binding, plan: Plan) -> bool:
    """Whether totals are others than those of the visible rows."""
    return not binding.scope.is_all and len(plan.sets) > 1 and plan.cube.scoped_totals != "partial"


def policed(plan: Plan, visible: str, whole: str) -> exp.Select:
    """Rows of the step `visible`, with the totals that the cube's policy lets be told.

    `whole` is the same question without a scope. A total is shown only where the account sees a row
    of it, so that no member becomes known by its total; the grand total always is.
    """
    is_row = equal(column(MASK, visible), number(0))
    columns: list[Node] = [column(name, visible) for name in output_names(plan.axes, (), True)]
    where: list[Node] = []
    for name in plan.measures:
        if plan.cube.scoped_totals == "hidden":
            columns.append(column(name, visible))
            continue
        case = exp.Case(default=column(name, whole))
        case.append("ifs", exp.If(this=is_row.copy(), true=column(name, visible)))
        columns.append(alias(case, name))
    if plan.cube.scoped_totals == "hidden":
        complete = equal(column(ROWS, visible), column(ROWS, whole))
        where.append(exp.Or(this=is_row, expression=complete))
    return select(
        columns, named(visible), [join(named(whole), _same_row(plan, visible, whole))], where
    )


def policed_side(plan: Plan, visible: str, whole: str) -> exp.Select:
    """One side of a comparison: rows of the step `visible`, and every total of all rows.

    `TOLD` says of a total whether the policy lets it be told by this side alone; `told_totals`
    takes out those that may not be told, once both sides are joined.
    """
    is_row = equal(column(MASK, whole), number(0))
    columns: list[Node] = [column(name, whole) for name in output_names(plan.axes, (), True)]
    for name in plan.measures:
        case = exp.Case(default=column(name, whole))
        case.append("ifs", exp.If(this=is_row.copy(), true=column(name, visible)))
        columns.append(alias(case, name))
    is_seen: Node = exp.Not(this=is_null(column(ROWS, visible)))
    told = is_seen
    if plan.cube.scoped_totals == "hidden":
        told = exp.NullSafeEQ(this=column(ROWS, visible), expression=column(ROWS, whole))
    columns.append(alias(told.copy(), TOLD))
    where: list[Node] = [exp.Or(this=exp.Not(this=is_row), expression=is_seen.copy())]
    return select(
        columns, named(whole), [join(named(visible), _same_row(plan, visible, whole))], where
    )


def told_totals(plan: Plan, current: str, previous: str) -> Node:
    """The condition that a row of both sides joined may be told.

    A total without any row on one side is complete there, and not seen.
    """
    absent = exp.Boolean(this=plan.cube.scoped_totals == "hidden")
    sides = [coalesce(column(TOLD, side), absent.copy()) for side in (current, previous)]
    both = all_of(sides) if plan.cube.scoped_totals == "hidden" else any_of(sides)
    mask = coalesce(column(MASK, current), column(MASK, previous))
    return exp.Or(this=equal(mask, number(0)), expression=both)


def _same_row(plan: Plan, visible: str, whole: str) -> list[Node]:
    on: list[Node] = [equal(column(MASK, visible), column(MASK, whole))]
    for axis in plan.axes:
        name = axis.name if axis.key is None else key_name(axis)
        on.append(same(column(name, visible), column(name, whole)))
    return on
