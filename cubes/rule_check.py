"""What is wrong with rule rows taken together, shipped and an operator's: faults and remarks.

A fault stops a build. A remark does not: what it tells is decided by a fixed rule, or may be meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import pairwise

from cubes.errors import Fault
from cubes.rule_table import RuleRow, RuleTables, Values, announced_at, minute_of

_ALWAYS = datetime.fromisoformat("0001-01-01")


def rule_faults(tables: RuleTables) -> list[Fault]:
    """Everything wrong with well-formed rows of all rule tables, in the order of the files.

    Calendars that nobody declares, circles of base calendars, working times that end before they
    start or overlap, hours of days off, targets without a unit.
    """
    known = {row.values["calendar_id"] for row in tables.get("calendar", ())}
    faults = [*_base_faults(tables.get("calendar", ()), known)]
    for table in ("calendar_template", "calendar_day", "calendar_notice", "sla_policy"):
        for row in tables.get(table, ()):
            calendar = row.values["calendar_id"]
            if calendar and calendar not in known:
                faults.append(
                    row.fault(
                        f"the calendar {calendar!r} is unknown; known: {', '.join(sorted(known))}"
                    )
                )
    faults.extend(_template_faults(tables.get("calendar_template", ())))
    faults.extend(_day_faults(tables.get("calendar_day", ())))
    faults.extend(_policy_faults(tables.get("sla_policy", ())))
    return sorted(faults)


def contradictions(rows: Iterable[RuleRow]) -> list[Fault]:
    """Days that one announcement makes both a day off and a working day: the working day counts.

    One that a later announcement has decided is told no more, since rows are never taken out.
    """
    found = []
    groups = _announcements(rows)
    latest: dict[tuple[str, str], datetime] = {}
    for group in groups:
        day = group[-1].values
        place = (day["calendar_id"], day["date_on"])
        latest[place] = max(latest.get(place, _ALWAYS), _announced(day))
    for group in groups:
        said = {row.values["is_working"] for row in group}
        day = group[-1].values
        stands = _announced(day) == latest[day["calendar_id"], day["date_on"]]
        if {"true", "false"} <= said and stands:
            found.append(
                group[-1].fault(
                    f"{day['date_on']} of {day['calendar_id']} is a day off and a make-up day in "
                    "one announcement; the make-up day counts, until a row that is announced "
                    "later says otherwise"
                )
            )
    return found


def _announced(day: Values) -> datetime:
    return announced_at(day["announced"]) or _ALWAYS


def remarks(tables: RuleTables, today: date) -> list[Fault]:
    """What is worth a look in the calendars, though it is no fault: years without a notice up to
    the next one, days without an announcement or announced after they were over, calendars without
    any working time, weeks that lose a working day."""
    found = _lost_weekdays(tables.get("calendar_template", ()))
    days = tables.get("calendar_day", ())
    for row in days:
        day, announced = row.values["date_on"], announced_at(row.values["announced"])
        named = f"{day} of {row.values['calendar_id']}"
        if announced is None:
            found.append(row.fault(f"{named} has no announcement, so it counts as always known"))
        elif announced.date() > date.fromisoformat(day):
            found.append(
                row.fault(
                    f"{named} is announced after it is over ({row.values['announced']}), so it "
                    "never moves a time that was due on it"
                )
            )
    weeks = {
        row.values["calendar_id"] for row in tables.get("calendar_template", ()) if _hours(row)
    }
    hours = weeks | {row.values["calendar_id"] for row in days if _hours(row)}
    for calendar, chain in _chains(tables.get("calendar", ())).items():
        last = chain[0]
        if not hours & {row.values["calendar_id"] for row in chain}:
            found.append(last.fault(f"the calendar {calendar} has no working time"))
        needs = next((r.values["needs_notice"] for r in chain if r.values["needs_notice"]), "")
        if needs != "true":
            continue
        ids = {row.values["calendar_id"] for row in chain}
        years = {
            int(row.values["year"])
            for row in tables.get("calendar_notice", ())
            if row.values["calendar_id"] in ids
        }
        for year in range(min(years, default=today.year), today.year + 2):
            if year not in years:
                found.append(
                    last.fault(f"{year} of {calendar} has no notice yet; the year is provisional")
                )
    return found


def _lost_weekdays(rows: Sequence[RuleRow]) -> list[Fault]:
    """Weeks without hours on a weekday on which the week before them had some."""
    weeks: dict[str, dict[str, list[RuleRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        weeks[row.values["calendar_id"]][row.values["valid_from"]].append(row)
    found = []
    for calendar, versions in weeks.items():
        for before, since in pairwise(sorted(versions)):
            worked, works = (
                {row.values["weekday"] for row in versions[version] if _hours(row)}
                for version in (before, since)
            )
            if lost := sorted(worked - works):
                found.append(
                    versions[since][0].fault(
                        f"the week of {calendar} from {since} on has no hours on weekday "
                        f"{', '.join(lost)} (1 is Monday), which the week before had; a new "
                        "valid_from replaces the whole week"
                    )
                )
    return found


def _chains(calendars: Sequence[RuleRow]) -> dict[str, list[RuleRow]]:
    """Each calendar with the row that counts, followed by those of its base calendars."""
    last = {row.values["calendar_id"]: row for row in calendars}
    chains = {}
    for calendar, first in last.items():
        chain = [first]
        while (base := last.get(chain[-1].values["base_calendar_id"])) and base not in chain:
            chain.append(base)
        chains[calendar] = chain
    return chains


def _base_faults(calendars: Sequence[RuleRow], known: set[str]) -> list[Fault]:
    faults = []
    for calendar, chain in _chains(calendars).items():
        base = chain[-1].values["base_calendar_id"]
        if base and base not in known:
            if len(chain) == 1:
                faults.append(chain[0].fault(f"the base calendar {base!r} is unknown"))
        elif base:
            circle = " -> ".join([*(row.values["calendar_id"] for row in chain), base])
            faults.append(chain[0].fault(f"{calendar} is based on itself: {circle}"))
    return faults


def _template_faults(rows: Sequence[RuleRow]) -> list[Fault]:
    faults: list[Fault] = []
    weeks: dict[tuple[str, ...], list[RuleRow]] = defaultdict(list)
    for row in rows:
        day = row.values
        if day["weekday"] == "0":
            if day["starts"] or day["ends"]:
                faults.append(row.fault("weekday 0 stands for a week without times"))
            continue
        if not day["starts"] and not day["ends"]:
            faults.append(row.fault("starts and ends are empty"))
            continue
        weeks[day["calendar_id"], day["valid_from"], day["weekday"]].append(row)
    for week in weeks.values():
        faults.extend(_interval_faults(week, "weekday"))
    return faults


def _day_faults(rows: Sequence[RuleRow]) -> list[Fault]:
    faults: list[Fault] = []
    for group in _announcements(rows):
        timed = [row for row in group if row.values["starts"] or row.values["ends"]]
        for row in timed:
            if row.values["is_working"] != "true":
                faults.append(row.fault("has hours, so is_working must be true"))
        faults.extend(_interval_faults(timed, "announcement"))
        for row in group:
            if row.values["like_weekday"] and row.values["is_working"] != "true":
                faults.append(row.fault("has like_weekday, so is_working must be true"))
    return faults


def _announcements(rows: Iterable[RuleRow]) -> list[list[RuleRow]]:
    """The rows of each date of a calendar in one announcement, of the product or the operator."""
    groups: dict[tuple[object, ...], list[RuleRow]] = defaultdict(list)
    for row in rows:
        day = row.values
        key = (day["calendar_id"], day["date_on"], announced_at(day["announced"]), row.is_operator)
        groups[key].append(row)
    return list(groups.values())


def _interval_faults(rows: Sequence[RuleRow], noun: str) -> list[Fault]:
    """Faults of working times that stand side by side on one day."""
    faults, sound = [], []
    for row in rows:
        starts, ends = row.values["starts"], row.values["ends"]
        if not starts or not ends:
            faults.append(row.fault("needs both starts and ends"))
        elif minute_of(starts) > minute_of(ends):
            faults.append(
                row.fault(
                    f"the interval {starts}-{ends} runs over midnight; write it as two, to 24:00 "
                    "and from 00:00 of the next day"
                )
            )
        elif minute_of(starts) == minute_of(ends):
            faults.append(row.fault(f"the interval {starts}-{ends} has no length"))
        else:
            sound.append((minute_of(starts), minute_of(ends), row))
    sound.sort(key=lambda one: one[:2])
    reached, by = 0, None
    for opens, closes, row in sound:
        if by is not None and opens < reached:
            one, other = _span(by), _span(row)
            faults.append(
                row.fault(f"the intervals {one} and {other} of one {noun} overlap (line {by.line})")
            )
        if by is None or closes > reached:
            reached, by = closes, row
    return faults


def _policy_faults(rows: Sequence[RuleRow]) -> list[Fault]:
    faults = []
    for row in rows:
        policy = row.values
        if policy["target"] and not policy["unit"]:
            faults.append(row.fault("has a target without a unit"))
        if policy["target"] and (float(policy["target"]) < 1 or float(policy["target"]) % 1):
            faults.append(row.fault(f"target: {policy['target']!r} must be 1 or more, and whole"))
        if policy["target_kind"] == "percentile" and not policy["percentile"]:
            faults.append(row.fault("target_kind is percentile, but percentile is empty"))
    return faults


def _hours(row: RuleRow) -> bool:
    return bool(row.values["starts"] and row.values["ends"])


def _span(row: RuleRow) -> str:
    return f"{row.values['starts']}-{row.values['ends']}"
