"""Random cases through the models, against the functions in Python and a walk day by day."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.cubes.day_walk import WEEKDAYS, Pause
from tests.dbt_project import sla_sample as sample
from tests.dbt_project.raw_home import RawHome
from tests.dbt_project.sla_reference import (
    ALWAYS,
    Case,
    FunctionsWay,
    Policy,
    Segment,
    Span,
    Step,
    WalkWay,
    Way,
    judge,
    resolution_spans,
    segments_of,
)
from tests.soak import examples

# All tests here share one home, so one worker runs them.
pytestmark = [
    pytest.mark.xdist_group("sla agreement"),
    pytest.mark.soak,
    pytest.mark.timeout(7200),
]

AS_OF = datetime(2026, 11, 15, 1, tzinfo=UTC)
NEVER = datetime(2100, 1, 1, tzinfo=UTC)
CASES = max(500, examples(500, times=5))
COLUMNS = (
    "policy_id, policy_version, target, due_at, elapsed_s, paused_s, state, due_if_resumed_at, "
    "remaining_s, breached_at, is_breached_on_change"
)
Expected = dict[tuple[str, str, int], dict[str, Any]]
Hours = list[list[str]]


class AnnouncedWay:
    """An instant counts if, by the rows announced until then, it is working time.

    It looks at every minute of a day; a whole day is what was announced before its end.
    """

    def __init__(
        self,
        zone: str,
        week: Mapping[str, Hours],
        announced: Mapping[date, Sequence[tuple[datetime, Hours | None]]],
    ) -> None:
        self.zone, self.week, self.announced = ZoneInfo(zone), week, announced
        self._pieces: dict[date, list[tuple[datetime, datetime]]] = {}

    def hours(self, day: date, moment: datetime) -> Hours:
        known = [row for row in self.announced.get(day, ()) if row[0] <= moment]
        said = max(known, key=lambda row: row[0])[1] if known else None
        return self.week.get(WEEKDAYS[day.weekday()], []) if said is None else said

    def is_working(self, day: date) -> bool:
        return bool(self.hours(day, _midnight(day) + timedelta(minutes=1439)))

    def pieces(self, day: date) -> list[tuple[datetime, datetime]]:
        if day not in self._pieces:
            found: list[tuple[datetime, datetime]] = []
            always = None if day in self.announced else self.hours(day, _midnight(day))
            for number in range(1440 if always != [] else 0):
                local = _midnight(day) + timedelta(minutes=number)
                hours = self.hours(day, local) if always is None else always
                if any(_minute(starts) <= number < _minute(ends) for starts, ends in hours):
                    at = local.replace(tzinfo=self.zone).astimezone(UTC)
                    begin = found.pop()[0] if found and found[-1][1] == at else at
                    found.append((begin, at + timedelta(minutes=1)))
            self._pieces[day] = found
        return self._pieces[day]

    def elapsed(self, start: datetime, end: datetime, pauses: Sequence[Pause]) -> int:
        counted = timedelta()
        day = start.astimezone(self.zone).date()
        while day <= end.astimezone(self.zone).date():
            for piece in self.pieces(day):
                counted += sum(
                    (b - a for a, b in _counted(piece, start, end, pauses)), start=timedelta()
                )
            day += timedelta(days=1)
        return int(counted.total_seconds())

    def due(self, start: datetime, policy: Policy, pauses: Sequence[Pause]) -> datetime | None:
        assert policy.target is not None
        if policy.is_in_days:
            return self._day_limit(start, policy, pauses)
        until = next((begin for begin, finish in pauses if finish is None), None)
        left, day = timedelta(seconds=policy.target), start.astimezone(self.zone).date()
        while until is None or day <= until.astimezone(self.zone).date():
            for piece in self.pieces(day):
                for begin, finish in _counted(piece, start, NEVER, pauses):
                    if finish - begin >= left:
                        return begin + left
                    left -= finish - begin
            day += timedelta(days=1)
        return None

    def _day_limit(
        self, start: datetime, policy: Policy, pauses: Sequence[Pause]
    ) -> datetime | None:
        assert policy.target is not None
        by_working_day = policy.unit == "working_days"
        last = self._days_on(start.astimezone(self.zone).date(), policy.target, by_working_day)
        for begin, finish in pauses:
            if begin >= self._end(last, policy.ends):
                break
            if finish is None:
                return None
            day, until = (at.astimezone(self.zone).date() for at in (begin, finish))
            while day < until:
                day += timedelta(days=1)
                if not by_working_day or self.is_working(day):
                    last = self._days_on(last, 1, by_working_day)
        while not by_working_day and policy.rolls and not self.is_working(last):
            last += timedelta(days=1)
        return self._end(last, policy.ends)

    def _days_on(self, day: date, count: int, by_working_day: bool) -> date:
        while count:
            day += timedelta(days=1)
            count -= not by_working_day or self.is_working(day)
        return day

    def _end(self, day: date, ends: str) -> datetime:
        pieces = self.pieces(day) if ends == "business" else []
        following = _midnight(day + timedelta(days=1)).replace(tzinfo=self.zone)
        return pieces[-1][1] if pieces else following.astimezone(UTC)


def _counted(
    piece: tuple[datetime, datetime], start: datetime, end: datetime, pauses: Sequence[Pause]
) -> list[tuple[datetime, datetime]]:
    """What of a piece lies within a clock's run and in no pause."""
    parts = [(max(piece[0], start), min(piece[1], end))]
    for begin, finish in pauses:
        without = []
        for first, last in parts:
            without.append((first, min(last, begin)))
            if finish is not None:
                without.append((max(first, finish), last))
        parts = [part for part in without if part[0] < part[1]]
    return [part for part in parts if part[0] < part[1]]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


@dataclass
class World:
    """What was told, and how each part of it is to be judged."""

    home: RawHome
    policies: list[Policy]
    cases: dict[str, list[Case]]
    ways: dict[str, dict[str, Way]]
    rows: dict[str, dict[tuple[str, str, int], dict[str, Any]]]


def limits(rng: random.Random, calendars: Sequence[str], part: str) -> list[Policy]:
    """For each of some categories a limit of the first cycle, of the others and of the whole."""
    found: list[Policy] = []
    for number in range(22):
        for clock, cycle in (
            ("resolution", "first"),
            ("resolution", "again"),
            ("full_resolution", ""),
        ):
            # Each calendar is the one of some policy.
            calendar = calendars[(number * 3 + len(found) % 3) % len(calendars)]
            found.append(
                Policy(
                    policy_id=f"{part.lower()}{number:02d}_{clock}_{cycle or 'any'}",
                    clock=clock,
                    cycle=cycle,
                    category_path=f"{part}/{number:02d}",
                    **sample.random_target(rng, calendar),
                )
            )
    return found


def priority_policies(rng: random.Random, calendars: Sequence[str]) -> list[Policy]:
    """Limits by priority, kind and place in the tree of categories, in versions."""
    dates = ("", "2026-05-15", "2026-07-01", "2026-09-10T12:30", "2026-10-20")
    found: list[Policy] = []
    for number in range(24):
        for version in range(1, rng.randint(1, 3) + 1):
            found.append(
                Policy(
                    policy_id=f"p{number:02d}",
                    version=version,
                    valid_from="" if version == 1 else rng.choice(dates[1:]),
                    ordinal=rng.randint(1, 6),
                    clock="resolution" if number % 4 else "full_resolution",
                    cycle=rng.choice(("", "", "first", "again")),
                    category_path=rng.choice(("P", "P/a", "P/a/b", "P/c", "P/a")),
                    priority=rng.choice(("P1", "P2", "P1;P2", "P3;P4", "")),
                    kind=rng.choice(("", "", "complaint", "complaint;report")),
                    grace=rng.choice((None, None, 1800, 40_000)),
                    is_active=rng.random() < 0.85,
                    **sample.random_target(rng, rng.choice(calendars)),
                )
            )
    told_twice = next(one for one in found if one.is_active)
    found.append(replace(told_twice, target=5, unit="working_days", grace=None))
    for clock in ("resolution", "full_resolution"):
        rest = Policy(f"p_rest_{clock}", clock, calendars[0], None, "business_seconds")
        found.append(replace(rest, ordinal=8000, category_path="P"))
    return found


def priority_steps(rng: random.Random, steps: Sequence[Step], start: datetime) -> list[Step]:
    """Words on priority, kind and category in between, some at the very moment of another step."""
    found = list(steps)
    for _ in range(rng.randint(0, 6)):
        moments = [start, *(step.at for step in found)]
        at = rng.choice(moments)
        if rng.random() < 0.8:
            at += timedelta(seconds=rng.randrange(1_000_000))
        if at > AS_OF:
            continue
        if rng.random() < 0.65:
            values = {"priority_code": rng.choice(("P1", "P2", "P3", "P4"))}
            found.append(Step(at, "DJ", values))
        else:
            values = {"category_path": rng.choice(("P/a", "P/a/b", "P/c", "P/d"))}
            if rng.random() < 0.5:
                values = {"kind_code": rng.choice(("TS", "JB", "ZX"))}
            found.append(Step(at, "FL", values))
    return sorted(found, key=lambda step: step.at)


def announcements(
    rng: random.Random, week: Mapping[str, Hours]
) -> dict[date, list[tuple[datetime, Hours | None]]]:
    """Days off and make-up days announced long before, on the day itself, afterwards, or anew."""
    found: dict[date, list[tuple[datetime, Hours | None]]] = {}
    for _ in range(60):
        day = date(2026, 7, 1) + timedelta(days=rng.randrange(200))
        moments: set[datetime] = set()
        for _ in range(rng.choice((1, 1, 2, 3))):
            minutes = rng.choice((rng.randrange(1440), -rng.randrange(80_000), rng.randrange(9000)))
            moments.add(_midnight(day) + timedelta(minutes=minutes))
        hours: Hours | None
        for at in sorted(moments):
            hours = rng.choice(([], None, _daytime(rng), week.get("mon") or []))
            # What is announced about now depends on whose midnight is meant.
            if abs(at - AS_OF.replace(tzinfo=None)) > timedelta(days=2):
                found.setdefault(day, []).append((at, hours))
    return found


def _daytime(rng: random.Random) -> Hours:
    """Hours after five in the morning, when clocks are set."""
    points = sorted(rng.sample(range(5 * 60, 1441, 15), 2 * rng.randint(1, 2)))
    texts = [f"{point // 60:02d}:{point % 60:02d}" for point in points]
    return [[a, b] for a, b in zip(texts[::2], texts[1::2], strict=True)]


def announced_calendar(
    rng: random.Random, rules: dict[str, list[dict[str, str]]], name: str, zone: str
) -> tuple[AnnouncedWay, WalkWay]:
    """A calendar whose days change while cases run: how it was, and how it is."""
    week = {weekday: _daytime(rng) for weekday in WEEKDAYS if rng.random() < 0.8}
    week = week or {"wed": _daytime(rng)}
    told = announcements(rng, week)
    form: dict[str, Any] = {"zone": zone, "week": week, "holidays": [], "workdays": {}}
    sample.add_calendar(rules, name, form)
    now = AS_OF.replace(tzinfo=None)
    known: dict[date, list[tuple[datetime, Hours | None]]] = {}
    for day, rows in told.items():
        for at, hours in rows:
            values = {"announced": at.strftime("%Y-%m-%dT%H:%M")}
            text = day.isoformat()
            if hours:
                made = sample.working_day_rows(name, text, hours, **values)
            else:
                off = None if hours is None else False
                made = [sample.day_row(name, text, is_working=off, **values)]
            rules.setdefault("calendar_day", []).extend(made)
            if at <= now:
                known.setdefault(day, []).append((at, hours))
    for day, rows in known.items():
        last = max(rows, key=lambda row: row[0])[1]
        if last:
            form["workdays"][day.isoformat()] = last
        elif last is not None:
            form["holidays"].append(day.isoformat())
    return AnnouncedWay(zone, week, known), WalkWay(form)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One build of cases under fixed calendars, under changing calendars and of changing policy."""
    rng = random.Random(20261130)
    rules: dict[str, list[dict[str, str]]] = {}
    forms = {}
    # Calendars with clocks that are set are the dear part of the build.
    for number in range(25 if CASES > 500 else 12):
        form = sample.random_form(rng, sample.ZONES[number % len(sample.ZONES)])
        forms[f"c{number}"] = form
        sample.add_calendar(rules, f"c{number}", form)
    zones = ("Asia/Shanghai", "Europe/Berlin", "Asia/Kathmandu")
    changing = {
        f"w{number}": announced_calendar(rng, rules, f"w{number}", zones[number % len(zones)])
        for number in range(4)
    }
    policies = [
        *limits(rng, list(forms), "R"),
        *limits(rng, list(changing), "W"),
        *priority_policies(rng, list(forms)),
    ]
    cases: dict[str, list[Case]] = {"R": [], "W": [], "P": []}
    for part, count in (("R", CASES), ("W", CASES // 4), ("P", CASES // 2)):
        for number in range(count):
            days = 135 if part == "W" else 280
            start = sample.random_start(rng, AS_OF, days)
            steps = sample.random_steps(rng, start, AS_OF)
            category = f"{part}/{rng.randrange(22):02d}" + rng.choice(("", "", "/x"))
            urgency = None
            if part == "P":
                steps = priority_steps(rng, steps, start)
                category = rng.choice(("P/a", "P/a/b", "P/c", "P/d"))
                urgency = rng.choice((None, "1", "2", "3"))
            made = Case(f"{part}{number:05d}", start, category, tuple(steps), urgency)
            cases[part].append(made)

    home = RawHome(tmp_path_factory.mktemp("agreement"))
    home.set_build(AS_OF.replace(tzinfo=None), date(2026, 11, 14))
    home.execute("insert into raw.source_setting (source) values ('hotline')")
    home.execute("insert into raw.org_level values (1, 'province', '省', 'Province')")
    rules["sla_policy"] = sample.policy_rows(policies)
    sample.add_rules(home, rules)
    sample.add_cases(home, [one for part in cases.values() for one in part])
    kept = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    assert (
        home.dbt("build", "--select", "+fct_sla_clock", "+fct_sla_segment", "dim_sla_policy", *kept)
        == []
    )

    always = {"always": ALWAYS}
    functions: dict[str, Way] = {
        name: FunctionsWay(name, form) for name, form in (forms | always).items()
    }
    walks: dict[str, Way] = {name: WalkWay(form) for name, form in (forms | always).items()}
    was: dict[str, Way] = {name: one[0] for name, one in changing.items()}
    now: dict[str, Way] = {name: one[1] for name, one in changing.items()}
    now_functions: dict[str, Way] = {
        name: FunctionsWay(name, one[1].form) for name, one in changing.items()
    }
    ways = {
        "functions": functions,
        "walk": walks,
        "as it was": was | {"always": walks["always"]},
        "as it is": now | {"always": walks["always"]},
        "as it is, by functions": now_functions | {"always": functions["always"]},
    }
    found: dict[str, dict[tuple[str, str, int], dict[str, Any]]] = {"as_was": {}, "as_is": {}}
    for row in home.rows(
        f"select evaluation, case_no, clock, ordinal, {COLUMNS} from marts.fct_sla_clock "
        "where clock in ('resolution', 'full_resolution')"
    ):
        key = (row.pop("case_no"), row.pop("clock"), row.pop("ordinal"))
        found[row.pop("evaluation")][key] = row
    return World(home, policies, cases, ways, found)


def judged(
    world: World, part: str, ways: Mapping[str, Way], evaluation: str
) -> tuple[Expected, dict[tuple[str, str, int], tuple[Span, list[Segment]]]]:
    """The expected rows of a part, and its clocks with their segments."""
    expected: Expected = {}
    clocks = {}
    for case in world.cases[part]:
        for span in resolution_spans(case, AS_OF):
            moment = span.started_at if evaluation == "as_was" else AS_OF
            segments = segments_of(case, span, world.policies, ways, moment)
            key = (case.case_no, span.clock, span.ordinal)
            clocks[key] = (span, segments)
            row = judge(span, segments, ways, AS_OF)
            expected[key] = {name: _stored(value) for name, value in row.items()}
    return expected, clocks


def _stored(value: Any) -> Any:
    """Instants as the marts hold them: naive UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def differences(world: World, expected: Expected, evaluation: str, part: str) -> list[Any]:
    rows = {key: row for key, row in world.rows[evaluation].items() if key[0].startswith(part)}
    assert set(rows) == set(expected)
    return [
        (key, name, row[name], value)
        for key, row in rows.items()
        for name, value in expected[key].items()
        if row[name] != value
    ]


@pytest.mark.parametrize("evaluation", ["as_was", "as_is"])
@pytest.mark.parametrize("way", ["walk", "functions"])
def test_every_clock_agrees_with_the_functions_and_with_the_walk(
    world: World, way: str, evaluation: str
) -> None:
    expected, _ = judged(world, "R", world.ways[way], evaluation)
    assert differences(world, expected, evaluation, "R") == []
    states = {row["state"] for row in expected.values()}
    assert states == {"met", "breached", "running", "paused", "cancelled", "measured"}
    assert any(row["due_if_resumed_at"] for row in expected.values())


def test_what_is_announced_counts_from_the_moment_it_is_announced(world: World) -> None:
    was, _ = judged(world, "W", world.ways["as it was"], "as_was")
    assert differences(world, was, "as_was", "W") == []
    for way in ("as it is", "as it is, by functions"):
        expected, _ = judged(world, "W", world.ways[way], "as_is")
        assert differences(world, expected, "as_is", "W") == []
        assert was != expected


@pytest.mark.parametrize("evaluation", ["as_was", "as_is"])
def test_a_changed_priority_or_policy_is_judged_by_the_rules_of_change(
    world: World, evaluation: str
) -> None:
    expected, clocks = judged(world, "P", world.ways["walk"], evaluation)
    assert differences(world, expected, evaluation, "P") == []
    on_change = [row for row in expected.values() if row["is_breached_on_change"]]
    standing = [
        key for key, (_, parts) in clocks.items()
        if len(parts) > 1
        and expected[key]["state"] == "breached"
        and expected[key]["due_at"] == _stored(parts[0].due_at)
    ]  # fmt: skip
    graced = [
        part for _, parts in clocks.values() for part in parts if part.target != part.policy.target
    ]
    assert on_change and standing and graced
    assert len({row["policy_version"] for row in expected.values()}) > 1


@pytest.mark.parametrize("evaluation", ["as_was", "as_is"])
def test_the_segments_of_a_clock_tile_it(world: World, evaluation: str) -> None:
    _, clocks = judged(world, "P", world.ways["walk"], evaluation)
    expected = {
        (*key, number): (
            part.policy.policy_id,
            part.policy.version,
            _stored(part.from_at),
            _stored(part.to_at),
            part.target,
            _stored(part.due_at),
        )
        for key, (_, parts) in clocks.items()
        if len(parts) > 1
        for number, part in enumerate(parts, start=1)
    }
    rows = world.home.rows(
        "select segment.*, policy.policy_id, policy.version from marts.fct_sla_segment as segment "
        "inner join marts.dim_sla_policy as policy using (policy_key) "
        f"where segment.evaluation = '{evaluation}' and segment.case_no like 'P%' "
        "and segment.clock in ('resolution', 'full_resolution')"
    )
    found = {
        (row["case_no"], row["clock"], row["ordinal"], row["segment_no"]): tuple(
            row[name] for name in ("policy_id", "version", "from_at", "to_at", "target", "due_at")
        )
        for row in rows
    }
    assert found == expected
    ordered = sorted(found)
    for one, other in pairwise(ordered):
        if one[:3] == other[:3]:
            assert found[one][3] == found[other][2]
    for key, (span, parts) in clocks.items():
        if len(parts) > 1:
            assert found[(*key, 1)][2] == _stored(span.started_at)
            assert found[(*key, len(parts))][3] == _stored(span.ended_at)
