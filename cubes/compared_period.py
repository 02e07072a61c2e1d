"""The period a query is compared with, and how its days line up with those asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from cubes.errors import QueryError
from cubes.period import Comparison, Period, add_months, days_of
from cubes.query_calendar import QueryCalendar

_FESTIVAL_ORDER = ("spring", "dragon_boat", "mid_autumn")
_FARTHEST_FESTIVAL = 200


@dataclass(frozen=True)
class Shift:
    """How far a comparison lies back: whole months or days, or day by day.

    `pairs` couples each compared day with the day of the period it is held against.
    """

    months: int = 0
    days: int = 0
    pairs: tuple[tuple[date, date], ...] = ()


def compared_period(
    period: Period, comparison: Comparison, calendar: QueryCalendar
) -> tuple[Period, Shift]:
    """The period to compare with, and the shift that aligns its dates with this one's.

    `previous` is the period of the same length just before, of one to date the same days of the
    unit before; `same_weekday` lies a week back, `month` a month, `year` a year.
    `same_working_day` takes for the days of each kind (a weekday, working or off) as many of the
    same kind just before the period. `lunar_year` moves by the days
    between the lunar festival nearest to the period and the same one a lunar year before, so that
    Spring Festival lies on Spring Festival.

    Raises QueryError if the period has an open end, reaches back before the year 1 or the calendar.
    """
    start, end = period.start, period.end
    if start is None or end is None:
        raise QueryError(
            zh="比较需要起止都明确的时期；请写“period”，例如 2026-03。",
            en="A comparison needs a period with both ends; give 'period', for example 2026-03.",
        )
    if comparison == "same_working_day":
        return _same_kinds(period, calendar.kinds)
    if comparison == "previous" and period.days is not None:
        if not calendar.working_days:
            raise QueryError(
                zh=f"切片里 {start} 至 {end} 的日子不是一段连续的时期，没有紧接在前面的一期。"
                "请只查一段时期，或改用 month、year 比较。",
                en=f"The days of the cut between {start} and {end} are no single period, so none "
                "lies just before them. Ask for one period, or compare with month or year.",
            )
        earlier = sorted(day for day in calendar.working_days if day < start)
        earlier = earlier[-len(period.days) :]
        if len(earlier) < len(period.days):
            raise QueryError(
                zh="日历往前不够，找不到上一期的工作日。",
                en="The calendar does not reach back to the previous working days.",
            )
        return _paired(zip(earlier, sorted(period.days), strict=True))
    shift = Shift(days=(end - start).days + 1)
    if comparison == "same_weekday" or (comparison == "previous" and period.is_running_week):
        shift = Shift(days=7)
    elif comparison == "lunar_year":
        shift = Shift(days=_lunar_year(start, end, calendar.festivals))
    elif comparison in ("month", "year"):
        shift = Shift(months=1 if comparison == "month" else 12)
    elif period.months is not None:
        shift = Shift(months=period.months)
    try:
        if shift.months:
            return _months_back(period, shift.months), shift
        return _days_back(period, shift.days), shift
    except (OverflowError, ValueError) as error:
        raise QueryError(
            zh=f"{start} 至 {end} 这个时期没有更早的一期可比：它会早于公元 1 年。请选更晚的时期。",
            en=f"The period from {start} to {end} has no earlier one to compare with: it would "
            "begin before the year 1. Choose a later period.",
        ) from error


def _paired(pairs: Iterable[tuple[date, date]]) -> tuple[Period, Shift]:
    ordered = tuple(sorted(pairs))
    days = tuple(day for day, _ in ordered)
    return Period(days[0], days[-1], days), Shift(pairs=ordered)


def _same_kinds(period: Period, kinds: Sequence[tuple[date, bool]]) -> tuple[Period, Shift]:
    known = dict(kinds)
    asked = days_of(period)
    missing = [day for day in asked if day not in known]
    if missing:
        raise QueryError(
            zh=f"日历（dim_date）里没有 {missing[0]}，找不到可与它相比的工作日。"
            "请选日历范围内的时期。",
            en=f"The calendar (dim_date) does not know {missing[0]}, so no working day can be "
            "held against it. Choose a period within the calendar.",
        )
    earlier: dict[tuple[int, bool], list[date]] = defaultdict(list)
    for day, is_workday in kinds:
        if day < asked[0]:
            earlier[day.isoweekday(), is_workday].append(day)
    wanted: dict[tuple[int, bool], list[date]] = defaultdict(list)
    for day in asked:
        wanted[day.isoweekday(), known[day]].append(day)
    pairs: list[tuple[date, date]] = []
    for kind, days in wanted.items():
        found = earlier[kind][-len(days) :]
        if len(found) < len(days):
            raise QueryError(
                zh=f"日历（dim_date）往前不够：{asked[0]} 之前没有那么多与 {days[0]} 同类的日子。"
                "请选更晚或更短的时期。",
                en=f"The calendar (dim_date) does not reach back to as many days of the kind of "
                f"{days[0]} before {asked[0]}. Choose a later or shorter period.",
            )
        pairs.extend(zip(found, days, strict=True))
    return _paired(pairs)


def _lunar_year(start: date, end: date, festivals: Sequence[tuple[date, str]]) -> int:
    """The days from the festival before to the one nearest to the period."""

    def distance(day: date) -> int:
        return max((start - day).days, (day - end).days, 0)

    nearest = min(
        festivals,
        key=lambda found: (distance(found[0]), _FESTIVAL_ORDER.index(found[1]), found[0]),
        default=None,
    )
    before = [day for day, name in festivals if nearest and name == nearest[1] and day < nearest[0]]
    if nearest is None or not before or distance(nearest[0]) > _FARTHEST_FESTIVAL:
        raise QueryError(
            zh=f"日历（dim_date）里没有 {start}..{end} 附近的农历节日，或没有它前一年的同一节日。"
            "请选日历范围内的时期，或改用 year 比较。",
            en=f"The calendar (dim_date) knows no festival of the lunar year near {start}..{end} "
            "and the same one a year before. Choose a period within the calendar, or compare with "
            "year.",
        )
    return (nearest[0] - before[-1]).days


def _days_back(period: Period, days: int) -> Period:
    assert period.start is not None and period.end is not None
    back = timedelta(days=days)
    moved = None if period.days is None else tuple(day - back for day in period.days)
    return Period(period.start - back, period.end - back, moved)


def _months_back(period: Period, months: int) -> Period:
    assert period.start is not None and period.end is not None
    if period.days is not None:
        moved = tuple(sorted({add_months(day, -months) for day in period.days}))
        return Period(moved[0], moved[-1], moved)
    if period.is_whole:
        next_day = period.end + timedelta(days=1)
        end = add_months(next_day, -months) - timedelta(days=1)
        return Period(add_months(period.start, -months), end, None, period.months, True)
    if period.months is not None and period.start.day != 1:
        # `last 3 months` slides: the earlier one ends the day before this one begins.
        end = add_months(period.end, -months)
        return Period(add_months(end, -period.months) + timedelta(days=1), end, None, period.months)
    return Period(
        add_months(period.start, -months), add_months(period.end, -months), None, period.months
    )
