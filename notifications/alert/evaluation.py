"""Evaluating a rule on a publication: observations of its series and what moved them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from cubes.label import Language
from notifications.account import WHOLE
from notifications.alert.rule import Rule
from notifications.alert.state import Observation, measured
from notifications.publication import Publication, as_date, as_decimal
from notifications.template import Value

_CATCH_UP = 7
_TENTH = Decimal("0.1")
_HUNDREDTH = Decimal("0.01")
_MOST_LISTED = 4
_BETWEEN: Mapping[Language, str] = {"zh": "", "en": " "}
_COMMA: Mapping[Language, str] = {"zh": "、", "en": ", "}
_MORE: Mapping[Language, str] = {"zh": "，另有{more}个", "en": ", and {more} more"}


@dataclass(frozen=True)
class Contributor:
    """The member that moved a figure most: its figure, and the change against its own mean."""

    name: str
    value: Decimal
    change: Decimal | None


@dataclass(frozen=True)
class Moved:
    """What is behind a figure: the member that moved it most, and all of them, largest first."""

    most: Contributor | None = None
    members: tuple[Contributor, ...] = ()


def periods(rule: Rule, publication: Publication, last: date | None) -> tuple[date, ...]:
    """Periods to evaluate, oldest first: the newest complete day and those missed since `last`.

    A stock has no past: a rule without `day` looks at the snapshot's own business date or at
    nothing. At most 7 missed days are caught up. Empty if no day is complete.
    """
    newest = publication.newest_complete(rule.freshness, publication.business_date)
    if newest is None or (rule.day is None and newest != publication.business_date):
        return ()
    if rule.day is None or last is None or last >= newest:
        return (newest,)
    first = max(last + timedelta(days=1), newest - timedelta(days=_CATCH_UP))
    days = [first + timedelta(days=step) for step in range((newest - first).days + 1)]
    return tuple(day for day in days if publication.is_complete(rule.freshness, day))


def observe_unit(
    rule: Rule, publication: Publication, period: date, unit_id: str
) -> dict[str, Observation]:
    """Return the observation of one unit for one period, as `observe` does for every series."""
    seen = observe_days(rule, publication, unit_id, [period], in_one_answer=False)
    return {unit_id: seen[0]}


def observe(
    rule: Rule, publication: Publication, period: date, known: Iterable[str] = ()
) -> dict[str, Observation]:
    """Return the observation of every series of the rule for one period, by unit id.

    `known` are the units of series that exist already: they are observed also when no row is left
    of them, for a row that has vanished is how a matter ends that a query no longer counts.
    """
    found: dict[str, Observation] = {}
    for level in rule.levels:
        if level > 0 and level not in publication.org.levels:
            continue
        by = () if level == 0 else (f"org.l{level}",)
        if rule.day is not None:
            by = (*by, rule.day)
        answer = publication.figures(rule.query, {"business_date": period}, None, by).rows
        rows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in answer:
            unit_id = WHOLE if level == 0 else publication.org.column_id(row, level)
            if unit_id is not None:
                rows[unit_id].append(row)
        units = {WHOLE} if level == 0 else set(rows)
        if rule.zero and level > 0:
            units |= {u.unit_id for u in publication.org.units.values() if u.level == level}
        past = _past_days(rule, publication, period, answer)
        for unit_id in sorted(units):
            found[unit_id] = _observation(rule, period, rows.get(unit_id, []), past)
    for unit_id in set(known) - set(found):
        # A unit the snapshot no longer knows has no level, and its series must end too.
        if publication.org.level(unit_id) in (None, *rule.levels):
            found[unit_id] = _observation(rule, period, [], ())
    return found


def observe_days(
    rule: Rule,
    publication: Publication,
    unit_id: str,
    days: Sequence[date],
    *,
    in_one_answer: bool,
) -> list[Observation]:
    """Return the observations of one unit on the given days, oldest first.

    `in_one_answer` says that the rule's query reaches back over `days` of its own; otherwise it is
    asked for each day as its business date. Days before the first figure are left out: a query may
    fill them with zero, but nothing is known of them.
    """
    if not days:
        return []
    scope = None if unit_id == WHOLE else frozenset({unit_id})
    by = () if rule.day is None else (rule.day,)
    if not in_one_answer:
        return [
            _observation(
                rule,
                day,
                publication.figures(rule.query, {"business_date": day}, scope, by).rows,
                (),
            )
            for day in days
        ]
    reach = {"business_date": days[-1], "days": (days[-1] - days[0]).days + 1}
    rows = publication.figures(rule.query, reach, scope, by).rows
    assert rule.day is not None
    told = [
        as_date(row[rule.day]) for row in rows if as_decimal(row, rule.volume_measure, rule.query)
    ]
    oldest = min(told, default=days[-1])
    return [_observation(rule, day, rows, ()) for day in days if day >= oldest]


def _past_days(
    rule: Rule, publication: Publication, period: date, answer: Sequence[Mapping[str, Any]]
) -> tuple[date, ...]:
    """Complete days of the comparison, none older than the first figure in the answer.

    A query may fill days without rows with zero, also those before the data begins.
    """
    against = rule.condition.against
    if against is None or rule.day is None:
        return ()
    told = [as_date(row[rule.day]) for row in answer if as_decimal(row, rule.measure, rule.query)]
    oldest = min(told, default=period)
    days = (period - timedelta(days=back) for back in range(against.mean_of_previous, 0, -1))
    return tuple(
        day for day in days if day >= oldest and publication.is_complete(rule.freshness, day)
    )


def _observation(
    rule: Rule, period: date, rows: Sequence[Mapping[str, Any]], past: Sequence[date]
) -> Observation:
    missing = Decimal(0) if rule.zero else None
    if rule.day is None:
        row = rows[0] if rows else None
        value = missing if row is None else as_decimal(row, rule.measure, rule.query)
        return Observation(period, value, None, _volume(rule, row), newest=_newest(rule, row))
    by_day = {as_date(row[rule.day]): row for row in rows}
    today = by_day.get(period)
    value = missing if today is None else as_decimal(today, rule.measure, rule.query)
    mean = _mean(by_day, rule.measure, rule, past, missing)
    return Observation(period, value, mean, _volume(rule, today), newest=_newest(rule, today))


def _volume(rule: Rule, row: Mapping[str, Any] | None) -> Decimal | None:
    """The volume of a row; where a complete period has no row there was none."""
    return Decimal(0) if row is None else as_decimal(row, rule.volume_measure, rule.query)


def _newest(rule: Rule, row: Mapping[str, Any] | None) -> Decimal | None:
    if rule.newest is None or row is None:
        return None
    return as_decimal(row, rule.newest, rule.query)


def _mean(
    by_day: Mapping[date, Mapping[str, Any]],
    measure: str,
    rule: Rule,
    past: Sequence[date],
    missing: Decimal | None,
) -> Decimal | None:
    values = [
        as_decimal(by_day[day], measure, rule.query) if day in by_day else missing for day in past
    ]
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) / len(known) if known else None


def moved_by(rule: Rule, publication: Publication, period: date, unit_id: str) -> Moved:
    """Find the members of `explained_by` behind the unit's figure, and which moved it most.

    Daily figures are ranked by their change against the mean of the same days as the rule's
    comparison, stocks by their size.
    """
    if rule.explained_by is None:
        return Moved()
    by = (rule.explained_by,) if rule.day is None else (rule.explained_by, rule.day)
    scope = None if unit_id == WHOLE else frozenset({unit_id})
    rows = publication.figures(rule.query, {"business_date": period}, scope, by).rows
    members: dict[str, dict[date, Mapping[str, Any]]] = defaultdict(dict)
    for row in rows:
        name = row.get(rule.explained_by)
        if name is not None:
            day = period if rule.day is None else as_date(row[rule.day])
            members[str(name)][day] = row
    past: tuple[date, ...] = ()
    if rule.day is not None:
        # The days the whole has figures of, as for the figure itself: a member that is new in them
        # had none before.
        whole = publication.figures(rule.query, {"business_date": period}, None, (rule.day,)).rows
        past = _past_days(rule, publication, period, whole)
    measure = rule.contribution_measure
    ranked = []
    for name, by_day in sorted(members.items()):
        today = by_day.get(period)
        value = (today and as_decimal(today, measure, rule.query)) or Decimal(0)
        mean = _mean(by_day, measure, rule, past, Decimal(0))
        change = None if mean is None else (value - mean).quantize(_TENTH)
        ranked.append(Contributor(name, value, change))
    if not ranked:
        return Moved()
    largest = sorted(
        (one for one in ranked if one.value), key=lambda one: (-abs(one.value), one.name)
    )
    sign = 1 if rule.condition.above is not None else -1
    most = max(ranked, key=lambda one: sign * (one.value if one.change is None else one.change))
    return Moved(most, tuple(largest))


def listed(moved: Moved, publication: Publication, language: Language) -> str | None:
    """The largest members with their figures in one clause; None if there are none."""
    if not moved.members:
        return None
    space = _BETWEEN[language]
    shown = [
        f"{publication.member_name(one.name, language)}{space}{one.value.normalize():f}"
        for one in moved.members[:_MOST_LISTED]
    ]
    more = len(moved.members) - len(shown)
    text = _COMMA[language].join(shown)
    return text + _MORE[language].format(more=more) if more else text


def _rounded(mean: Decimal) -> Decimal:
    """A mean as people read it: one decimal, two below 1, so that a small one is not shown as 0."""
    return mean.quantize(_TENTH if abs(mean) >= 1 else _HUNDREDTH)


def text_values(
    rule: Rule,
    observation: Observation,
    publication: Publication,
    unit_id: str,
    moved: Moved,
    language: Language,
) -> dict[str, Value]:
    """Values for the rule's text, in the names of `TEXT_NAMES`."""
    mover = moved.most
    ratio = measured(rule.condition.policy(), observation)
    comparison = observation.comparison
    return {
        "unit": publication.org.name(unit_id, language),
        "period": observation.period,
        "value": observation.value,
        "comparison": None if comparison is None else _rounded(comparison),
        "ratio": ratio if rule.condition.against is not None else None,
        "threshold": rule.condition.threshold,
        "recover": rule.condition.recover,
        "volume": observation.volume,
        "contributor": None if mover is None else mover.name,
        "contributor_value": None if mover is None else mover.value,
        "contributor_change": None if mover is None else mover.change,
        "members": listed(moved, publication, language),
    }
