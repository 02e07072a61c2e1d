"""Compilation of a query to one DuckDB statement: pure functions over sqlglot objects.

The steps of a statement, each present only when needed:

    figures            the cube's own measures over axes and grouping sets
    figures_<cube>     measures of another cube over the shared axes
    current, previous  measures with ratios, of the period and of the compared one
    answer             both sides joined
    filled             gaps in time filled with zero

Values are bound, never written; the statement ends in a total order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any

from sqlglot import exp

from cubes.aggregate_choice import choose_aggregate
from cubes.as_was import AsWas
from cubes.asked import Asked, asked_by
from cubes.axis import Axis
from cubes.binding import Binding
from cubes.catalogue import Catalogue
from cubes.compared_period import Shift
from cubes.comparison import compared_selection, shifted, side_by_side
from cubes.cross_cube import other_cube
from cubes.cube import Measure
from cubes.declaration import suggest
from cubes.derived import derived
from cubes.errors import QueryError
from cubes.figures import MASK, Selection, figures, key_name
from cubes.filling import filled
from cubes.period import Period
from cubes.plan import COMPARISON_LABELS, Plan, make_plan, output_names, result_columns
from cubes.query_calendar import NO_CALENDAR, QueryCalendar
from cubes.question import CubeQuery
from cubes.result import Column
from cubes.scope import Scope
from cubes.scoped_totals import (
    ROWS,
    has_other_totals,
    policed,
    policed_side,
    told_totals,
)
from cubes.sql import (
    Node,
    alias,
    call,
    column,
    equal,
    join,
    named,
    number,
    ordered,
    select,
    with_steps,
)
from cubes.warehouse import Warehouse


@dataclass(frozen=True)
class Statement:
    """A statement ready to run.

    `columns` are the result's columns (types are known after running). Rows carry a column named
    `_rolled_up` when there are totals: 0 for rows, else a bit for each axis rolled up. `asked`
    tells what it is of, `as_was` what is shown as it was, if the query asked for it, `aggregate`
    which one is read in place of the fact, and `compared` the period a comparison is with.
    """

    sql: str
    parameters: Mapping[str, Any]
    columns: tuple[Column, ...]
    axes: tuple[Axis, ...]
    has_totals: bool
    asked: Asked
    as_was: AsWas | None = None
    aggregate: str | None = None
    compared: Period | None = None


def compile_query(
    catalogue: Catalogue,
    warehouse: Warehouse,
    query: CubeQuery,
    *,
    scope: Scope,
    business_date: date | None,
    language: str = "zh",
    calendar: QueryCalendar = NO_CALENDAR,
    aggregates: bool = True,
) -> Statement:
    """Compile a query; equal arguments give the same (cached) statement.

    `calendar` is what the query needs of it; without `aggregates` the facts are asked even where an
    aggregate could answer.
    Raises QueryError when a name is unknown or the parts of the query do not fit together.
    """
    return _compile(
        catalogue, warehouse, query, scope, business_date, language, calendar, aggregates
    )


@lru_cache(maxsize=1024)
def _compile(
    catalogue: Catalogue,
    warehouse: Warehouse,
    query: CubeQuery,
    scope: Scope,
    business_date: date | None,
    language: str,
    calendar: QueryCalendar,
    aggregates: bool,
) -> Statement:
    binding = Binding(catalogue, warehouse, scope, business_date, language)
    plan = make_plan(binding, query, calendar)
    asked = asked_by(binding, plan)
    stand_in = choose_aggregate(binding, plan) if aggregates and plan.cube.aggregates else None
    if stand_in is not None:
        plan = make_plan(binding, query, calendar, over=stand_in)
    final, has_mask = statement_tree(binding, plan)
    return Statement(
        final.sql(dialect="duckdb", copy=False),
        binding.parameters,
        result_columns(plan, language),
        plan.axes,
        has_mask,
        asked,
        plan.as_was,
        None if stand_in is None else stand_in.cube.partition("@")[2],
        None if plan.compared is None else plan.compared[0],
    )


def statement_tree(binding: Binding, plan: Plan) -> tuple[exp.Select, bool]:
    """The statement of a plan, whose values are bound in `binding`; whether it has totals."""
    query, axes = plan.query, plan.axes
    has_mask = len(plan.sets) > 1
    is_plain = plan.compared is None and query.fill is None
    is_derived = any(measure.agg is None for measure in plan.measures.values())
    is_derived = is_derived or has_other_totals(binding, plan)
    if is_plain and not is_derived and not (has_mask and query.limit is not None):
        statement = figures(binding, plan.cube, plan.measures, axes, plan.sets, plan.selection)
        return _finished(binding, plan, statement, has_mask), has_mask
    steps: list[tuple[str, exp.Select]] = []
    current = _told(binding, plan, plan.selection, steps, "")
    if is_plain and not (has_mask and query.limit is not None):
        return with_steps(steps, _finished(binding, plan, current, has_mask)), has_mask
    source = "current"
    steps.append((source, current))
    names = list(plan.measures)
    if plan.compared is not None:
        period, shift = plan.compared
        selection = compared_selection(plan, period)
        previous = _told(binding, plan, selection, steps, "previous_", shift)
        steps.append(("previous", previous))
        told = side_by_side(plan, has_mask)
        if has_other_totals(binding, plan):
            told.set("where", exp.Where(this=told_totals(plan, "current", "previous")))
        steps.append(("answer", told))
        source = "answer"
        names = [
            name if not suffix else f"{name}__{suffix}"
            for name in names
            for suffix in ("", *COMPARISON_LABELS)
        ]
    if query.fill is not None:
        zero = {name for name, measure in plan.measures.items() if measure.is_zero_when_empty}
        zero |= {f"{name}__{suffix}" for name in zero for suffix in ("previous", "change")}
        period = (plan.selection.periods or {}).get(plan.time_role or "", Period())
        steps.append(
            (
                "filled",
                filled(binding, axes, plan.sets, plan.time_role, period, names, zero, source),
            )
        )
        source = "filled"
    final = select([column(name) for name in output_names(axes, names, has_mask)], named(source))
    return with_steps(steps, _finished(binding, plan, final, has_mask)), has_mask


def _told(
    binding: Binding,
    plan: Plan,
    selection: Selection,
    steps: list[tuple[str, exp.Select]],
    prefix: str,
    shift: Shift | None = None,
) -> exp.Select:
    """One side with the totals that the account may be told; its steps are added to `steps`."""
    if not has_other_totals(binding, plan):
        return _side(binding, plan, selection, steps, prefix, shift)
    everything = replace(binding, scope=Scope.all())
    visible, whole = f"{prefix}visible", f"{prefix}whole"
    for name, bound in ((visible, binding), (whole, everything)):
        side = _side(bound, plan, selection, steps, f"{name}_", shift, counted=True)
        steps.append((name, side))
    if plan.compared is not None:
        return policed_side(plan, visible, whole)
    return policed(plan, visible, whole)


def _side(
    binding: Binding,
    plan: Plan,
    selection: Selection,
    steps: list[tuple[str, exp.Select]],
    prefix: str,
    shift: Shift | None = None,
    *,
    counted: bool = False,
) -> exp.Select:
    """The measures with their ratios for one selection; its figures are added to `steps`.

    `counted` adds the number of rows behind each figure.
    """
    cube, axes, sets = plan.cube, plan.axes, plan.sets
    own: dict[str, Measure] = {}
    others: dict[str, dict[str, Measure]] = {}
    for name, measure in plan.measures.items():
        for side in (name,) if measure.agg is not None else cube.parts_of(measure):
            if "." in side:
                other, _, inner = side.partition(".")
                found = binding.catalogue.cubes[other].measures[inner]
                others.setdefault(other, {})[side] = found
            else:
                own[side] = cube.measures[side]
    if counted or not own:
        # Both sides of the ratio lie elsewhere; the cube still says which members there are.
        own[ROWS] = Measure(agg="count")
    base = f"{prefix}figures"
    steps.append((base, figures(binding, cube, own, axes, sets, selection)))
    joins = []
    for other, measures in others.items():
        step = f"{prefix}figures_{other}"
        query, on = other_cube(binding, plan, selection, other, measures, base, step)
        steps.append((step, query))
        joins.append(join(named(step), on))
    table = base if joins or (shift is not None and shift.pairs) else None
    columns: list[Node] = []
    for name in output_names(axes, (), len(sets) > 1):
        columns.append(column(name, table))
    where: list[Node] = []
    if shift is not None:
        columns, where, matched = shifted(binding, plan, columns, base, shift)
        joins += matched
    for name, measure in plan.measures.items():
        if measure.agg is not None:
            columns.append(column(name, table))
        else:
            node = derived(
                cube,
                measure,
                lambda side: column(side, None if "." in side else table),
                lambda side: _overall(column(side, table), has_mask=len(sets) > 1),
            )
            columns.append(alias(node, name))
    if counted:
        columns.append(column(ROWS, table))
    return select(columns, named(base), joins, where)


def _overall(figure: Node, *, has_mask: bool) -> Node:
    """The sum of an additive figure over all rows of the answer, totals not counted again."""
    total: Node = call("sum", figure)
    if has_mask:
        rows = exp.Where(this=equal(column(MASK), number(0)))
        total = exp.Filter(this=total, expression=rows)
    return exp.Window(this=total)


def _finished(binding: Binding, plan: Plan, statement: exp.Select, has_mask: bool) -> exp.Select:
    query = plan.query
    names = [column_.name for column_ in result_columns(plan, "en")]
    sort: list[exp.Ordered] = []
    used = set()
    for item in query.order:
        name, is_descending = _order(item)
        if name not in names:
            raise QueryError(
                zh=f"“order”里的“{name}”不是结果的列{suggest(name, names, 'zh')}。",
                en=f"'order' names '{name}', which is no column of the result"
                f"{suggest(name, names)}.",
            )
        sort.append(ordered(column(name), is_descending))
        used.add(name)
    for axis in plan.axes:
        for name in (axis.name, *((key_name(axis),) if axis.key is not None else ())):
            if name not in used:
                sort.append(ordered(column(name)))
    if has_mask:
        if query.limit is not None:
            window = exp.Window(
                this=exp.RowNumber(),
                partition_by=[column(MASK)],
                order=exp.Order(expressions=[item.copy() for item in sort]),
            )
            few = exp.LTE(this=window, expression=binding.bind(query.limit))
            total = exp.NEQ(this=column(MASK), expression=number(0))
            statement.set("qualify", exp.Qualify(this=exp.Or(this=total, expression=few)))
        sort.insert(0, ordered(column(MASK)))
    elif query.limit is not None:
        statement.set("limit", exp.Limit(expression=binding.bind(query.limit)))
    if sort:
        statement.set("order", exp.Order(expressions=sort))
    return statement


def _order(item: str) -> tuple[str, bool]:
    if item.startswith("-"):
        return item[1:], True
    name, _, direction = item.strip().partition(" ")
    if direction.strip() not in ("", "asc", "desc"):
        raise QueryError(
            zh=f"“order”无法识别“{item}”；请写成“name”“-name”或“name desc”。",
            en=f"'order' cannot read '{item}'; write 'name', '-name' or 'name desc'.",
        )
    return name, direction.strip() == "desc"
