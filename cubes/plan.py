"""The plan of a query: its names resolved, its rows selected, its grouping sets chosen."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cubes.as_was import AsWas
from cubes.axis import Axis, axis_label
from cubes.binding import Binding, roles_in
from cubes.compared_period import Shift, compared_period
from cubes.cube import GRAINS, Cube, Measure
from cubes.declaration import suggest
from cubes.errors import QueryError
from cubes.figures import MASK, Selection, Set, key_name
from cubes.formatting import difference_format
from cubes.label import Label, label_text
from cubes.period import (
    Comparison,
    Period,
    intersection,
    parse_period,
    to_months,
    union,
    whole_units,
)
from cubes.query_calendar import NO_CALENDAR, QueryCalendar
from cubes.question import CubeQuery
from cubes.result import Column

MOST_SETS = 64

_OF_MONTHS: tuple[Comparison, ...] = ("previous", "month", "year")
"""The comparisons of a fact that knows months only."""

COMPARISON_LABELS = {
    "previous": Label(zh="上期", en="previous"),
    "change": Label(zh="变化", en="change"),
    "change_ratio": Label(zh="变化率", en="change %"),
}


@dataclass(frozen=True)
class Plan:
    """A query with everything it names resolved; `sets` begins with the full grouping set."""

    query: CubeQuery
    cube: Cube
    measures: dict[str, Measure]
    axes: tuple[Axis, ...]
    sets: tuple[Set, ...]
    selection: Selection
    time_role: str | None
    compared: tuple[Period, Shift] | None
    as_was: AsWas | None = None


def make_plan(
    binding: Binding, query: CubeQuery, calendar: QueryCalendar, *, over: Cube | None = None
) -> Plan:
    """Resolve a query; raises QueryError when a name is unknown or parts do not fit.

    `over` is asked in place of the cube: the same over one of its aggregates.
    """
    cube = over or binding.catalogue.cube(query.cube)
    measures = {name: binding.catalogue.measure(cube, name) for name in query.measures}
    declared = binding.catalogue.cube(query.cube)
    role = query.time or declared.default_time
    if role is not None and role not in declared.time:
        raise QueryError(
            zh=f"立方体“{cube.cube}”没有时间“{role}”{suggest(role, declared.time, 'zh')}；"
            f"现有时间：{'、'.join(declared.time) or '无'}。",
            en=f"Cube '{cube.cube}' has no time '{role}'{suggest(role, declared.time)}; "
            f"times are: {', '.join(declared.time) or 'none'}.",
        )
    if role not in cube.time:
        # An aggregate that keeps no such time answers only where none is asked for.
        role = None
    if query.as_was:
        binding.look_back(cube, role)
    axes = tuple(binding.axis(cube, name) for name in query.by)
    selection = select_rows(binding, query, cube, role, calendar)
    compared = None
    if query.compare is not None:
        compared = compared_period(
            _period_to_compare(cube, role, selection, query.compare), query.compare, calendar
        )
    sets = grouping_sets(axes, query.totals)
    told = None
    if query.as_was and role is not None:
        told = _as_was(binding, cube, role, measures, axes, selection)
    return Plan(query, cube, measures, axes, sets, selection, role, compared, told)


def _period_to_compare(
    cube: Cube, role: str | None, selection: Selection, comparison: Comparison
) -> Period:
    if selection.periods is None:
        raise QueryError(
            zh=f"“compare: {comparison}”没有可以比较的日子：时期与时间的切片没有共同的日子。"
            "请让它们重叠，或去掉其中一个。",
            en=f"'compare: {comparison}' has no day to start from: the period and the cuts of a "
            "time have none in common. Make them overlap, or leave one of them out.",
        )
    period = selection.periods.get(role or "")
    if role is None or period is None:
        raise QueryError(
            zh=f"“compare: {comparison}”需要“period”（时期），例如 2026-03 或 last 7 days。",
            en=f"'compare: {comparison}' needs a 'period', for example 2026-03 or last 7 days.",
        )
    if cube.time[role].grain == "month" and comparison not in _OF_MONTHS:
        raise QueryError(
            zh=f"“compare: {comparison}”逐日比较，而立方体“{cube.cube}”只有月份；"
            f"请改用 {'、'.join(_OF_MONTHS)} 比较。",
            en=f"'compare: {comparison}' holds day against day, but cube '{cube.cube}' knows "
            f"months only; compare with {', '.join(_OF_MONTHS)}.",
        )
    return period


def _as_was(
    binding: Binding,
    cube: Cube,
    role: str,
    measures: Mapping[str, Measure],
    axes: Sequence[Axis],
    selection: Selection,
) -> AsWas:
    """Which of the dimensions a query uses are shown as they were, and which as they are."""
    texts = [text for m in measures.values() for text in (m.sql, m.where) if text is not None]
    used = {axis.role for axis in (*axes, *(axis for axis, _ in selection.members))}
    used |= roles_in(cube, [*texts, *([cube.where] if cube.where else [])])
    then: dict[str, str] = {}
    today: dict[str, str] = {}
    for name, join in cube.joins.items():
        if name in used:
            dimension = binding.dimension(cube, name)
            shown = (join.label or dimension.label).text(binding.language)
            (today if binding.history(dimension) is None else then)[name] = shown
    end = (selection.periods or {}).get(role, Period()).end
    return AsWas(
        role,
        label_text(cube.time[role].label, binding.language, role),
        then,
        today,
        end or binding.business_date,
    )


def select_rows(
    binding: Binding,
    query: CubeQuery,
    cube: Cube,
    role: str | None,
    calendar: QueryCalendar = NO_CALENDAR,
) -> Selection:
    """Resolve period and cuts; cuts on the same time are intersected."""
    periods: dict[str, Period] = {}
    null_times: list[str] = []
    members = []
    is_possible = True
    wanted: list[tuple[str, tuple[str | None, ...], str | None]] = []
    if query.period is not None:
        if role is None:
            raise QueryError(
                zh=f"立方体“{cube.cube}”没有时间，“period”没有意义。",
                en=f"Cube '{cube.cube}' has no time, so 'period' means nothing.",
            )
        wanted.append((role, (query.period,), None))
    for name, values in query.cuts:
        axis = binding.axis(cube, name)
        if axis.kind == "time":
            wanted.append((axis.role, values, axis.grain))
        else:
            members.append((axis, values))
    for time_role, values, grain in wanted:
        texts = [value for value in values if value is not None]
        if len(texts) < len(values):
            if texts:
                raise QueryError(
                    zh=f"“{time_role}”的切片不能把空值和时期混在一起。",
                    en=f"A cut on '{time_role}' cannot mix null with periods.",
                )
            null_times.append(time_role)
            continue
        working = calendar.working_days
        period = union(
            [whole_units(parse_period(t, binding.business_date, working), grain) for t in texts]
        )
        by_month = cube.time[time_role].grain == "month"
        if by_month and period.months is None:
            period = to_months(period)
        if time_role in periods:
            one, other = periods[time_role], period
            if by_month:
                one, other = to_months(one), to_months(other)
            both = intersection(one, other)
            is_possible = is_possible and both is not None
            period = both or period
            if by_month and period.months is None:
                period = to_months(period)
        periods[time_role] = period
    return Selection(periods if is_possible else None, tuple(null_times), tuple(members))


def grouping_sets(axes: Sequence[Axis], totals: str) -> tuple[Set, ...]:
    """Grouping sets, the full one first; a finer level is never kept without its coarser ones.

    A member itself is the finest level of its hierarchy.
    """
    everything = tuple(range(len(axes)))
    if totals == "none" or not axes:
        return (everything,)
    if totals == "grand":
        return (everything, ())
    ladders: dict[object, list[int]] = {}
    for index, axis in enumerate(axes):
        above = {one.hierarchy for one in axes if one.role == axis.role and one.hierarchy}
        if axis.kind == "time":
            ladders.setdefault(("time", axis.role), []).append(index)
        elif axis.kind == "key" and len(above) == 1:
            ladders.setdefault(next(iter(above)), []).append(index)
        else:
            ladders.setdefault(axis.hierarchy or ("alone", index), []).append(index)
    sets: list[Set] = [()]
    for ladder in ladders.values():
        steps = sorted(ladder, key=lambda index: _depth(axes[index]))
        prefixes = [tuple(steps[:length]) for length in range(len(steps), -1, -1)]
        sets = [(*kept, *prefix) for kept in sets for prefix in prefixes]
        if len(sets) > MOST_SETS:
            raise QueryError(
                zh=f"在这 {len(axes)} 个维度上，“totals: all”需要的小计超过 {MOST_SETS} 种；"
                "请改用“grand”，或减少维度。",
                en=f"'totals: all' over these {len(axes)} dimensions needs more than {MOST_SETS} "
                "kinds of subtotals; ask for 'grand' or fewer dimensions.",
            )
    return tuple(tuple(sorted(present)) for present in sets)


def _depth(axis: Axis) -> int:
    if axis.kind == "key":
        return sys.maxsize
    return GRAINS.index(axis.grain) if axis.grain in GRAINS else axis.position


def result_columns(plan: Plan, language: str) -> tuple[Column, ...]:
    """The columns of the result, their types still unknown."""
    columns = []
    for axis in plan.axes:
        label = axis_label(axis, language)
        kind = "time" if axis.kind == "time" else "member"
        # A time is shown in the form of its grain.
        columns.append(Column(axis.name, label, "", kind, axis.grain))  # type: ignore[arg-type]
        if axis.key is not None and plan.query.keys:
            columns.append(Column(key_name(axis), f"{label} ID", "", "key"))
    for name, measure in plan.measures.items():
        label = label_text(measure.label, language, name)
        unit = measure.unit.text(language) if measure.unit else None
        shown = measure.shown_as
        columns.append(Column(name, label, "", "measure", shown, measure.good, unit))
        if plan.compared is not None:
            for suffix, words in COMPARISON_LABELS.items():
                word = words.text(language)
                is_ratio = suffix == "change_ratio"
                form: str | None = "percent" if is_ratio else shown
                if suffix == "change":
                    form = difference_format(shown)
                columns.append(
                    Column(
                        f"{name}__{suffix}",
                        f"{label}（{word}）" if language == "zh" else f"{label} ({word})",
                        "",
                        "measure",
                        form,
                        None if suffix == "previous" else measure.good,
                        None if is_ratio else unit,
                        heading=f"{label}\n{word}",
                    )
                )
    return tuple(columns)


def output_names(axes: Sequence[Axis], measures: Sequence[str], has_mask: bool) -> list[str]:
    """The columns of a step: axes with their keys, the mask, and measures."""
    names = []
    for axis in axes:
        names.append(axis.name)
        if axis.key is not None:
            names.append(key_name(axis))
    return [*names, *([MASK] if has_mask else []), *measures]
