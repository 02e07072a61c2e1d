"""A working calendar from the rows of the rule tables, as far as they were announced (D.2).

What a calendar says of a date beats what its base says, and so does its week from its first day on.
Of one date the rows announced last count, an operator's before shipped ones of the same time. The
rows of one announcement belong together: their hours add up, and a working day beats a day off,
which beats going back to the week.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from cubes.declaration import suggest
from cubes.errors import DeclarationError, QueryError
from cubes.local_clock import Span, local_spans, zone_of
from cubes.rule_check import rule_faults
from cubes.rule_table import RuleRow, RuleTables, Values, announced_at, minute_of
from cubes.working_calendar import CalendarDay, WorkingCalendar

Hours = tuple[Span, ...]

_ALWAYS = datetime.fromisoformat("0001-01-01")
_Known = Callable[[str], bool]


@dataclass(frozen=True)
class _DayRule:
    """What one calendar says of one date; `is_working` None is back to the week."""

    is_working: bool | None
    name: str
    like_weekday: int | None
    hours: Hours


@dataclass(frozen=True)
class _Level:
    """One calendar of a chain: its own weeks by first day, dates and years with a notice."""

    weeks: Sequence[tuple[date, Mapping[int, Hours]]]
    days: Mapping[date, _DayRule]
    years: frozenset[int]

    def week(self, day: date) -> Mapping[int, Hours] | None:
        """The week in force on a date; None where the calendar has none of its own."""
        index = bisect_right(self.weeks, day, key=lambda version: version[0]) - 1
        return None if index < 0 else self.weeks[index][1]


def read_seed_calendar(
    calendar_id: str, tables: RuleTables, *, zone: str, known_at: datetime | None = None
) -> WorkingCalendar:
    """The calendar of an id by the rows announced by `known_at` (aware; all rows if None).

    `tables` holds rows in the order they were written, an operator's after the shipped ones; `zone`
    is the one of the source or the operator, for calendars without their own. Raises QueryError
    for an unknown calendar or zone, and DeclarationError with all faults of the rows at once.
    """
    faults = rule_faults(tables)
    if faults:
        raise DeclarationError("calendar", faults)
    chain = _chain(calendar_id, tables["calendar"])
    zone = chain[0]["zone"] or zone
    try:
        place = zone_of(zone)
    except ValueError as error:
        raise QueryError(
            zh=f"日历“{calendar_id}”的时区不对：“{zone}”不是 IANA 时区名（如 Asia/Shanghai）。",
            en=f"The zone of calendar {calendar_id!r} is wrong: {error}.",
        ) from error
    known = _known_by(known_at, place)
    levels = [_level(row["calendar_id"], tables, known) for row in chain]
    makeup_weekday = int(_nearest(chain, "makeup_weekday") or 1)
    needs_notice = _nearest(chain, "needs_notice") == "true"
    noticed = frozenset(year for level in levels for year in level.years)

    def day(date_on: date) -> CalendarDay:
        week = next((week for one in levels if (week := one.week(date_on)) is not None), {})
        rule = next((one.days[date_on] for one in levels if date_on in one.days), None)
        provisional = needs_notice and date_on.year not in noticed
        if rule is None or rule.is_working is None:
            hours = week.get(date_on.isoweekday(), ())
            spans = local_spans(place, date_on, hours)
            return CalendarDay(date_on, bool(hours), spans, is_provisional=provisional)
        if not rule.is_working:
            return CalendarDay(date_on, False, (), "holiday", rule.name, provisional)
        hours = rule.hours or week.get(rule.like_weekday or makeup_weekday, ())
        spans = local_spans(place, date_on, hours)
        return CalendarDay(date_on, True, spans, "makeup", rule.name, provisional)

    return WorkingCalendar(calendar_id, place, day)


def _chain(calendar_id: str, calendars: Sequence[RuleRow]) -> list[Values]:
    """The calendar's own row, then that of its base, and so on; the last row of an id counts."""
    known = {row.values["calendar_id"]: row.values for row in calendars}
    if calendar_id not in known:
        raise QueryError(
            zh=f"没有日历“{calendar_id}”{suggest(calendar_id, known, 'zh')}；"
            f"现有：{'、'.join(sorted(known))}。重试没有用；请从中选一个。",
            en=f"There is no calendar {calendar_id!r}{suggest(calendar_id, known)}; known are "
            f"{', '.join(sorted(known))}. Trying again does not help; choose one of these.",
        )
    chain = [known[calendar_id]]
    while base := chain[-1]["base_calendar_id"]:
        chain.append(known[base])
    return chain


def _nearest(chain: Sequence[Values], column: str) -> str:
    return next((row[column] for row in chain if row[column]), "")


def _known_by(known_at: datetime | None, zone: ZoneInfo) -> _Known:
    """Whether what was announced then, in local time of the calendar, is known."""
    local = None if known_at is None else known_at.astimezone(zone).replace(tzinfo=None)
    return lambda text: local is None or (announced_at(text) or _ALWAYS) <= local


def _level(calendar_id: str, tables: RuleTables, known: _Known) -> _Level:
    weeks: dict[date, dict[int, Hours]] = defaultdict(dict)
    for row in _own(tables["calendar_template"], calendar_id):
        since, weekday = row.values["valid_from"], int(row.values["weekday"])
        week = weeks[date.fromisoformat(since) if since else date.min]
        if weekday:
            week[weekday] = _hours([row], week.get(weekday, ()))
    announced: dict[date, dict[tuple[datetime, bool], list[RuleRow]]] = defaultdict(dict)
    for row in _own(tables["calendar_day"], calendar_id):
        text = row.values["announced"]
        if known(text):
            place = announced_at(text) or _ALWAYS, row.is_operator
            versions = announced[date.fromisoformat(row.values["date_on"])]
            versions.setdefault(place, []).append(row)
    return _Level(
        sorted(weeks.items(), key=lambda version: version[0]),
        {day: _day_rule(versions[max(versions)]) for day, versions in announced.items()},
        frozenset(
            int(row.values["year"])
            for row in _own(tables.get("calendar_notice", ()), calendar_id)
            if known(row.values["announced"])
        ),
    )


def _day_rule(rows: Sequence[RuleRow]) -> _DayRule:
    """What the rows of one announcement say of one date."""
    said = {row.values["is_working"] for row in rows}
    working = next((word for word in ("true", "false") if word in said), "")
    return _DayRule(
        working == "true" if working else None,
        max(row.values["name"] for row in rows if row.values["is_working"] == working),
        max((int(row.values["like_weekday"] or 0) for row in rows), default=0) or None,
        _hours([row for row in rows if row.values["starts"]], ()),
    )


def _hours(rows: Iterable[RuleRow], known: Hours) -> Hours:
    """Working intervals in seconds since midnight, with those of more rows."""
    added = (
        (minute_of(row.values["starts"]) * 60, minute_of(row.values["ends"]) * 60) for row in rows
    )
    return tuple(sorted((*known, *added)))


def _own(rows: Sequence[RuleRow], calendar_id: str) -> Iterable[RuleRow]:
    return (row for row in rows if row.values["calendar_id"] == calendar_id)
