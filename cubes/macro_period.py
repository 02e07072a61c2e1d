"""The period of a named query as SQL: its bounds as expressions of the query's parameters.

The same rules as `cubes.period`, for the forms a query may give to its period: a date or month
parameter, `last N days|weeks|months|years`, `week|month|quarter|year to date` and
`last full week|month|quarter|year`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlglot import exp

from cubes.cube import GRAINS
from cubes.named_query import BUSINESS_DATE, NamedQuery
from cubes.period import Period
from cubes.plan import Plan
from cubes.sql import Node, as_date, call, number, text

_PLACE = re.compile(r"\{(\w+)\}\Z")
_LAST = re.compile(r"last (\d+|\{\w+\}) (day|week|month|year)s?\Z")
_TO_DATE = re.compile(r"(week|month|quarter|year) to date\Z")
_LAST_FULL = re.compile(r"last full (week|month|quarter|year)\Z")
_MONTHS_OF = {"month": 1, "quarter": 3, "year": 12}

Given = Callable[[str], Node]


@dataclass(frozen=True)
class _Ends:
    """First and last day; `months` a constant number of months if the period is made of months.

    `slides` marks months that end on any day, whose comparison depends on the day itself;
    `is_running_week` the days of a week so far, whose previous is a week before.
    """

    first: Node
    last: Node
    months: int | None = None
    slides: bool = False
    is_running_week: bool = False


@dataclass(frozen=True)
class MacroPeriods:
    """The bounds of a plan's periods by the dates that stood for them."""

    _nodes: Mapping[date, Node]

    def node(self, day: date) -> Node | None:
        """The expression of a date of the plan; None if it is none of the bounds."""
        found = self._nodes.get(day)
        return None if found is None else found.copy()

    @classmethod
    def of(
        cls, query: NamedQuery, plan: Plan, given: Given, samples: Mapping[str, Any]
    ) -> MacroPeriods | None:
        """The bounds of the query's period and of the compared one; None if they are none."""
        if query.period is None:
            return cls({})
        ends = _ends(" ".join(str(query.period).split()), given, samples)
        if ends is None:
            return cls({}) if not query.places() and query.compare is None else None
        found: dict[date, Node] = {}
        role = plan.time_role or ""
        period = (plan.selection.periods or {}).get(role, Period())
        by_month = plan.cube.time[role].grain == "month"
        # Measures of another cube may read the first days of the months that the bounds lie in.
        parts = [part for one in plan.measures.values() for part in plan.cube.parts_of(one)]
        others = any("." in part for part in parts)
        is_months = ends.months is not None or ends.slides
        own = _by_month(ends) if by_month and not is_months else ends
        if not _note(found, period, own, with_months=others):
            return None
        if plan.compared is not None:
            if any(axis.kind == "time" and axis.grain in GRAINS for axis in plan.axes):
                return None
            if by_month and not is_months and own.first != own.last and query.compare != "year":
                # How many months its days touch depends on the day itself.
                return None
            earlier = _compared(own, str(query.compare))
            if earlier is None:
                return None
            wanted = _by_month(earlier) if by_month and not is_months else earlier
            if not _note(found, plan.compared[0], wanted, with_months=others):
                return None
        return cls(found)


def _note(found: dict[date, Node], period: Period, ends: _Ends, *, with_months: bool) -> bool:
    """Add both bounds; False where one date would have to stand for two expressions."""
    if period.days is not None or period.start is None or period.end is None:
        return False
    pairs = [(period.start, ends.first), (period.end, ends.last)]
    if period.start == period.end:
        pairs = pairs[:1] if ends.first == ends.last else pairs
    if with_months:
        pairs += [(day.replace(day=1), _start_of("month", node)) for day, node in pairs]
    for day, node in pairs:
        if day in found and found[day] != node:
            return False
        found[day] = node
    return True


def _ends(period: str, given: Given, samples: Mapping[str, Any]) -> _Ends | None:
    day = given(BUSINESS_DATE)
    if found := _PLACE.match(period):
        name = found.group(1)
        if isinstance(samples.get(name), date):
            return _Ends(given(name), given(name))
        first = as_date(call("concat", given(name), text("-01")))
        return _Ends(first, _minus(_months_later(first, number(1)), number(1)), 1)
    if found := _LAST.match(period):
        count, unit = found.groups()
        name = count.strip("{}")
        size: Node = number(int(count)) if count.isdigit() else given(name)
        factor = {"week": 7, "year": 12}.get(unit, 1)
        if factor > 1:
            size = exp.Mul(this=size, expression=number(factor))
        if unit in ("day", "week"):
            length = exp.Paren(this=exp.Sub(this=size, expression=number(1)))
            return _Ends(exp.Sub(this=day, expression=_whole(length)), day)
        back = _months_later(day, exp.Neg(this=exp.Paren(this=size)))
        return _Ends(exp.Add(this=back, expression=number(1)), day, slides=True)
    if found := _TO_DATE.match(period):
        unit = found.group(1)
        start = _start_of(unit, day)
        return _Ends(start, day, _MONTHS_OF.get(unit), is_running_week=unit == "week")
    if found := _LAST_FULL.match(period):
        unit = found.group(1)
        running = _start_of(unit, _plus(day, number(1)))
        months = _MONTHS_OF.get(unit)
        last = _minus(running, number(1))
        if months is None:
            return _Ends(_minus(running, number(7)), last)
        return _Ends(_months_later(running, number(-months)), last, months)
    return None


def _compared(ends: _Ends, comparison: str) -> _Ends | None:
    """The ends of the period to compare with; None where it depends on the day itself."""
    if comparison == "same_weekday" or (comparison == "previous" and ends.is_running_week):
        return _Ends(_minus(ends.first, number(7)), _minus(ends.last, number(7)))
    if ends.slides:
        return None
    if comparison == "year" or ends.months is not None:
        months = 12 if comparison == "year" else ends.months or 0
        back = number(-months)
        if _is_month(ends):
            last = _minus(_months_later(_plus(ends.last, number(1)), back), number(1))
            return _Ends(_months_later(ends.first, back), last, ends.months)
        first, last = _months_later(ends.first, back), _months_later(ends.last, back)
        return _Ends(first, last, ends.months)
    if ends.first == ends.last:
        return _Ends(_minus(ends.first, number(1)), _minus(ends.last, number(1)))
    span = exp.Sub(this=exp.Paren(this=ends.last.copy()), expression=exp.Paren(this=ends.first))
    length = _whole(exp.Paren(this=exp.Add(this=span, expression=number(1))))
    return _Ends(_minus(ends.first, length), _minus(ends.last, length))


def _is_month(ends: _Ends) -> bool:
    """Whether the period is one whole month rather than a month up to a day."""
    return ends.months is not None and isinstance(ends.last, exp.Paren)


def _by_month(ends: _Ends) -> _Ends:
    first = _start_of("month", ends.first)
    if ends.months == 1 or ends.first == ends.last:
        return _Ends(first, first.copy(), ends.months)
    return _Ends(first, _start_of("month", ends.last), ends.months)


def _start_of(unit: str, day: Node) -> Node:
    known = day.this if isinstance(day, exp.Cast) else None
    if isinstance(known, exp.Anonymous) and known.expressions[0] == text(unit):
        return day.copy()
    return as_date(call("date_trunc", text(unit), day.copy()))


def _months_later(day: Node, months: Node) -> Node:
    """The same day so many months later, at most that month's last day."""
    step = call("to_months", exp.Cast(this=months, to=exp.DataType.build("INTEGER")))
    return as_date(exp.Add(this=exp.Paren(this=day.copy()), expression=step))


def _minus(day: Node, days: Node) -> Node:
    return exp.Paren(this=exp.Sub(this=exp.Paren(this=day.copy()), expression=days.copy()))


def _plus(day: Node, days: Node) -> Node:
    return exp.Paren(this=exp.Add(this=exp.Paren(this=day.copy()), expression=days.copy()))


def _whole(node: Node) -> Node:
    return exp.Cast(this=node, to=exp.DataType.build("INTEGER"))
