"""Figures of another cube for ratios: over the shared dimensions, joined to the cube's own."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from cubes.axis import Axis
from cubes.binding import Binding, truncated
from cubes.cube import Cube, Measure
from cubes.figures import MASK, Selection, figures, key_name, mask_of
from cubes.period import (
    Period,
    to_months,
)
from cubes.plan import Plan
from cubes.sql import (
    Node,
    coalesce,
    column,
    equal,
    number,
    same,
)


def other_cube(
    binding: Binding,
    plan: Plan,
    selection: Selection,
    other_name: str,
    measures: Mapping[str, Measure],
    base: str,
    step: str,
) -> tuple[exp.Select, list[Node]]:
    """Figures of another cube over the shared axes, and how they join to the cube's own."""
    other = binding.catalogue.cubes[other_name]
    shared: list[Axis] = []
    sources: list[list[int]] = []
    target: dict[int, int] = {}
    for index, axis in enumerate(plan.axes):
        counterpart = _counterpart(binding, plan, axis, other)
        if counterpart is None:
            continue
        if counterpart not in shared:
            shared.append(counterpart)
            sources.append([])
        target[index] = shared.index(counterpart)
        sources[target[index]].append(index)
    mapped = [tuple(sorted({target[i] for i in present if i in target})) for present in plan.sets]
    sets = tuple(dict.fromkeys(mapped))
    query = figures(
        binding,
        other,
        measures,
        shared,
        sets,
        _other_selection(binding, plan, selection, other),
    )
    on: list[Node] = []
    for axis, indexes in zip(shared, sources, strict=True):
        if axis.key is not None:
            name = key_name(axis)
            on.append(same(column(key_name(plan.axes[indexes[0]]), base), column(name, step)))
            continue
        values: list[Node] = []
        for index in indexes:
            node: Node = column(plan.axes[index].name, base)
            if axis.kind == "time" and plan.axes[index].grain != axis.grain:
                node = truncated(node, str(axis.grain))
            values.append(node)
        value = values[0] if len(values) == 1 else coalesce(*values)
        on.append(same(value, column(axis.name, step)))
    if len(sets) > 1:
        case = exp.Case()
        for present, reduced in zip(plan.sets, mapped, strict=True):
            here = equal(column(MASK, base), number(mask_of(plan.axes, present)))
            case.append("ifs", exp.If(this=here, true=number(mask_of(shared, reduced))))
        on.append(equal(case, column(MASK, step)))
    return query, on


def _counterpart(binding: Binding, plan: Plan, axis: Axis, other: Cube) -> Axis | None:
    if axis.kind == "time":
        if axis.role != plan.time_role or other.default_time is None:
            return None
        grain = axis.grain
        if other.time[other.default_time].grain == "month" and grain in ("day", "week"):
            grain = "month"
        return binding.axis(other, f"{other.default_time}.{grain}")
    if axis.kind == "inline":
        # Two facts may use one word for two things, so the expressions must agree as well.
        found = binding.axis(other, axis.name) if axis.role in other.dimensions else None
        return found if found is not None and found.identity == axis.identity else None
    if axis.role not in other.joins:
        return None
    if other.dimension_of(axis.role) != plan.cube.dimension_of(axis.role):
        return None
    return binding.axis(other, axis.name)


def _other_selection(binding: Binding, plan: Plan, selection: Selection, other: Cube) -> Selection:
    if selection.periods is None:
        return Selection(None, (), ())
    periods: dict[str, Period] = {}
    role = other.default_time
    main = plan.time_role
    if role is not None and main is not None and main in selection.periods:
        period = selection.periods[main]
        periods[role] = to_months(period) if other.time[role].grain == "month" else period
    members = []
    for axis, values in selection.members:
        counterpart = _counterpart(binding, plan, axis, other)
        if counterpart is not None:
            members.append((counterpart, values))
    return Selection(periods, (), tuple(members))
