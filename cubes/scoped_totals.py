"""What a restricted account sees of totals: of its own rows, of all rows, or only complete ones."""

from __future__ import annotations

from sqlglot import exp

from cubes.binding import Binding
from cubes.figures import MASK, key_name
from cubes.plan import Plan, output_names
from cubes.sql import Node, alias, column, equal, join, named, number, same, select

ROWS = "_rows"
"""The number of rows of the fact behind a figure."""


def has_other_totals(binding: Binding, plan: Plan) -> bool:
    """Whether totals are others than those of the visible rows."""
    return not binding.scope.is_all and len(plan.sets) > 1 and plan.cube.scoped_totals != "partial"


def policed(plan: Plan, visible: str, whole: str) -> exp.Select:
    """Rows of the step `visible`, with the totals that the cube's policy lets be told.

    `whole` is the same question without a scope. A total is shown only where the account sees a row
    of it, so that no member becomes known by its total; the grand total always is.
    """
    on: list[Node] = [equal(column(MASK, visible), column(MASK, whole))]
    for axis in plan.axes:
        name = axis.name if axis.key is None else key_name(axis)
        on.append(same(column(name, visible), column(name, whole)))
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
    return select(columns, named(visible), [join(named(whole), on)], where)
