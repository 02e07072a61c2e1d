"""Periods: what `today` is, and the day at which a balance is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from jinja2 import pass_context

_ENDS = {
    "PT1H": "{day}",
    "P1D": "{day}",
    "P1W": "cast(date_trunc('week', {day}) + interval 7 day as date) - 1",
    "P1M": "last_day({day})",
    "P3M": "cast(date_trunc('quarter', {day}) + interval 3 month as date) - 1",
    "P1Y": "cast(date_trunc('year', {day}) + interval 1 year as date) - 1",
}
_STARTS = {
    "PT1H": "{day}",
    "P1D": "{day}",
    "P1W": "cast(date_trunc('week', {day}) as date)",
    "P1M": "cast(date_trunc('month', {day}) as date)",
    "P3M": "cast(date_trunc('quarter', {day}) as date)",
    "P1Y": "cast(date_trunc('year', {day}) as date)",
}


def follow_snapshot(today: Callable[[], datetime | None]) -> None:
    """Let `today` and `now` in periods mean the end of the published data.

    Superset has no setting for it: all its periods go through one function.
    """
    import superset.utils.date_parser as parser

    usual = parser.parse_human_datetime

    def parse_human_datetime(human_readable: str) -> datetime:
        if human_readable.strip().lower() in ("today", "now"):
            found = today()
            if found is not None:
                return found
        parsed: datetime = usual(human_readable)
        return parsed

    parser.parse_human_datetime = parse_human_datetime


@pass_context
def day_taken(context: Mapping[str, Any], end: str, column: str, grain: str) -> str:
    """The SQL of the day at which a measure over time is taken in the query being written.

    `end` is first or last, `column` the dataset's date, `grain` the fact's own (day or month). The
    last day is the earliest of the fact's last day, the end of the period, and the end of the
    group in time: the same as the cube's own query takes.
    """
    since, until = _period(context, column)
    is_last = end == "last"
    bounds = ["fact_last_on" if is_last else "fact_first_on"]
    limit = until if is_last else since
    if limit is not None:
        bounds.append(f"date '{limit.isoformat()}'")
    for found in _grains(context, column):
        bounds.append((_ENDS if is_last else _STARTS)[found].format(day=column))
    day = f"{'least' if is_last else 'greatest'}({', '.join(bounds)})"
    return f"cast(date_trunc('month', {day}) as date)" if grain == "month" else day


def _period(context: Mapping[str, Any], column: str) -> tuple[date | None, date | None]:
    """First and last day of the period that filters the column, inclusive."""
    bounds = [_bounds(found) for found in context.get("filter") or [] if found.get("col") == column]
    if context.get("time_column") == column:
        since, until = (_moment(context.get(name)) for name in ("from_dttm", "to_dttm"))
        bounds.append((since, until))
    firsts = [since.date() for since, _ in bounds if since is not None]
    lasts = [(until - _INSTANT).date() for _, until in bounds if until is not None]
    return max(firsts, default=None), min(lasts, default=None)


_INSTANT = timedelta(microseconds=1)
_DAY = timedelta(days=1)


def _bounds(found: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """From when until before when a filter on the column lets rows through."""
    operator, value = found.get("op"), found.get("val")
    if operator == "TEMPORAL_RANGE":
        if not isinstance(value, str) or value == "No filter":
            return None, None
        from superset.utils.date_parser import get_since_until

        since, until = get_since_until(time_range=value)
        return since, until
    moments = [_moment(item) for item in (value if isinstance(value, list) else [value])]
    known = [moment for moment in moments if moment is not None]
    if not known:
        return None, None
    if operator in ("==", "=", "IN"):
        return min(known), _after(max(known), found.get("grain"))
    if operator in (">=", ">"):
        return known[0], None
    if operator in ("<", "<="):
        return None, known[0] + (_DAY if operator == "<=" else timedelta())
    return None, None


def _after(start: datetime, grain: object) -> datetime:
    """When the group in time that begins at `start` is over."""
    if grain == "P1W":
        return start + 7 * _DAY
    months = {"P1M": 1, "P3M": 3, "P1Y": 12}.get(str(grain), 0)
    if not months:
        return start + _DAY
    number = start.year * 12 + start.month - 1 + months
    return start.replace(year=number // 12, month=number % 12 + 1, day=1)


def _moment(value: object) -> datetime | None:
    """A moment as Superset writes it: ISO text, or milliseconds since 1970."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, int | float):
        return datetime(1970, 1, 1) + timedelta(milliseconds=value)  # noqa: DTZ001
    return None


def _grains(context: Mapping[str, Any], column: str) -> list[str]:
    """The grains in time the query groups the column by."""
    grains = []
    for found in [*(context.get("columns") or []), *(context.get("groupby") or [])]:
        if found == column:
            grains.append("P1D")
        elif isinstance(found, Mapping) and found.get("sqlExpression") == column:
            grains.append(found.get("timeGrain") or "P1D")
    return [grain for grain in dict.fromkeys(grains) if grain in _ENDS]
