"""Choosing the aggregate that can answer a planned query with the same figures as the facts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from cubes.aggregate import AggregateKeys, keys_of, roles_read, stored_measures, table_of
from cubes.axis import Axis
from cubes.binding import Binding
from cubes.cube import Cube
from cubes.period import Period, add_months
from cubes.plan import Plan
from cubes.predicate import scoping_roles

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def choose_aggregate(binding: Binding, plan: Plan) -> Cube | None:
    """The cube over the aggregate with the fewest rows that covers the query; None for the facts.

    It must hold every part of every measure, every axis, cut and period asked for, the units of the
    account's scope, and with `as_was` the day and nothing that was read of dimensions as they are.
    """
    rows, cube = binding.warehouse.aggregate_rows, plan.cube
    made = {
        name: rows[table_of(cube.cube, name)]
        for name in cube.aggregates
        if table_of(cube.cube, name) in rows
    }
    for name in sorted(made, key=lambda name: (made[name], len(cube.aggregates[name].by), name)):
        if _covers(binding, plan, name):
            return binding.catalogue.stand_ins[f"{cube.cube}@{name}"]
    return None


def _covers(binding: Binding, plan: Plan, name: str) -> bool:
    cube = plan.cube
    keys = keys_of(cube, cube.aggregates[name], binding.catalogue.dimensions)
    stored = stored_measures(cube, cube.aggregates[name])
    axes = [*plan.axes, *(axis for axis, _ in plan.selection.members)]
    parts = {
        part
        for own, measure in plan.measures.items()
        for part in ((own,) if measure.agg is not None else cube.parts_of(measure))
    }
    others = {part for part in parts if "." in part}
    # What an aggregate holds another cube cannot be asked by: an inline dimension is known as its
    # own by the expression, and a level by the dimension.
    if others and any(axis.kind == "inline" or axis.role in keys.shrunken for axis in axes):
        return False
    return (
        parts - others <= stored.keys()
        and bool(parts - others)
        and all(_has_axis(keys, axis) for axis in axes)
        and all(_has_period(cube, keys, role, period) for role, period in _periods(plan))
        and all(role in keys.times for role in plan.selection.null_times)
        and (binding.scope.is_all or set(scoping_roles(binding, cube)) <= keys.joins)
        and (not binding.as_was or _keeps_what_was(binding, plan, keys, name))
    )


def _has_axis(keys: AggregateKeys, axis: Axis) -> bool:
    if axis.kind == "time":
        return keys.serves(axis.role, str(axis.grain))
    if axis.kind == "inline":
        return axis.role in keys.inline
    if axis.kind == "member" and axis.role in keys.shrunken:
        return axis.part in keys.shrunken[axis.role]
    return axis.role in keys.joins


def _periods(plan: Plan) -> Iterator[tuple[str, Period]]:
    yield from (plan.selection.periods or {}).items()
    if plan.compared is not None and plan.time_role is not None:
        yield plan.time_role, plan.compared[0]


def _has_period(cube: Cube, keys: AggregateKeys, role: str, period: Period) -> bool:
    """Whether the period is made of whole units of the time that is kept."""
    grain = keys.times.get(role)
    if grain is None:
        return False
    if grain == cube.time[role].grain:
        return True
    if period.days is not None:
        return False
    starts = period.start is None or _is_first(period.start, grain)
    end = period.end
    ends = end is None or end == date.max or _is_first(end + timedelta(days=1), grain)
    return starts and ends


def _is_first(day: date, grain: str) -> bool:
    if grain == "week":
        return day.isoweekday() == 1
    first = add_months(day.replace(day=1), -((day.month - 1) % _MONTHS[grain]))
    return day == first


def _keeps_what_was(binding: Binding, plan: Plan, keys: AggregateKeys, name: str) -> bool:
    role = plan.time_role
    if role is None or keys.times.get(role) != "day":
        return False
    as_they_are = roles_read(plan.cube, name) | keys.shrunken.keys()
    return all(binding.dimension(plan.cube, read).history is None for read in as_they_are)
