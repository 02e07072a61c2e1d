"""Working time over random calendars, zones and pauses: the identities of D.4 and D.5, against an
independent day-walk; and known answers where clocks change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cubes.calendar_form import calendar_from_form
from cubes.errors import CalendarTooShort, NoWorkingTime
from cubes.json_document import FormFaults
from cubes.local_clock import instant_of, micros_of, read_instant, zone_of
from cubes.working_calendar import CalendarDay, WorkingCalendar, interval_calendar
from cubes.working_time import DayLimit, Pause, due, due_if_resumed, elapsed
from cubes.working_time_explanation import explain
from tests.cubes import day_walk
from tests.soak import fuzz

# Each zone with days near which its clocks change.
CHANGES = {
    "Asia/Shanghai": ["2026-02-16", "1991-09-15"],
    "Europe/Berlin": ["2026-03-29", "2026-10-25"],
    "America/New_York": ["2026-03-08", "2026-11-01"],
    "Asia/Kathmandu": ["2026-05-01", "1986-01-01"],
    "Australia/Lord_Howe": ["2026-04-05", "2026-10-04"],
    "America/Havana": ["2026-03-08", "2026-11-01"],
    "America/St_Johns": ["2006-04-02", "2006-10-29"],
}
MOMENT = timedelta(microseconds=1)
ZERO = timedelta(0)


@dataclass(frozen=True)
class World:
    """A calendar in both forms and an instant near a change of its clocks."""

    form: dict[str, Any]
    calendar: WorkingCalendar
    start: datetime

    def after(self, seconds: int) -> datetime:
        return self.start + timedelta(seconds=seconds)


def calendar_of(form: dict[str, Any]) -> WorkingCalendar:
    faults = FormFaults("test")
    calendar = calendar_from_form("c", form, path="calendars.c", faults=faults)
    assert calendar is not None, faults.found
    return calendar


def text(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def hours(chance: Random) -> list[list[str]]:
    """One to three intervals apart from one another, up to 24:00, touching or not."""
    cuts = sorted(chance.sample(range(97), 2 * chance.randint(1, 3)))
    pairs = [
        [begin, finish] if chance.random() < 0.8 else [begin, following]
        for begin, finish, following in zip(
            cuts[::2], cuts[1::2], [*cuts[2::2], cuts[-1]], strict=True
        )
    ]
    return [[text(begin * 15), text(finish * 15)] for begin, finish in pairs]


def world_of(seed: int) -> World:
    """A random world; drawing it by one number takes a twentieth of the time of drawing each."""
    chance = Random(seed)
    zone = chance.choice(sorted(CHANGES))
    base = date.fromisoformat(chance.choice(CHANGES[zone]))

    def near(most: int) -> list[str]:
        days = chance.sample(range(-10, 26), chance.randint(0, most))
        return [(base + timedelta(days=day)).isoformat() for day in days]

    worked = chance.sample(day_walk.WEEKDAYS, chance.randint(1, 7))
    form = {
        "zone": zone,
        "week": {day: hours(chance) for day in worked},
        "holidays": near(8),
        "workdays": {
            day: hours(chance) if chance.random() < 0.5 else chance.choice(day_walk.WEEKDAYS)
            for day in near(4)
        },
    }
    calendar = calendar_of(form)
    noon = datetime(base.year, base.month, base.day, 12, tzinfo=UTC)
    # A quarter of an hour meets the ends of intervals, a second does not.
    step = chance.choice([1, 900])
    seconds = chance.randint(-600_000 // step, 600_000 // step) * step
    return World(form, calendar, instant_of(micros_of(noon) + seconds * 10**6, calendar.zone))


def worlds() -> st.SearchStrategy[World]:
    return st.integers(0, 2**48).map(world_of)


LENGTHS = st.integers(0, 120).map(lambda n: n * 900) | st.integers(0, 400_000)
TARGETS = (st.integers(1, 100).map(lambda n: n * 900) | st.integers(1, 100_000)).map(
    lambda seconds: timedelta(seconds=seconds)
)
GAPS = st.lists(st.tuples(st.integers(-40_000, 600_000), st.integers(0, 200_000)), max_size=4)


def pauses_of(world: World, gaps: list[tuple[int, int]]) -> list[Pause]:
    """Pauses at offsets from the start, which may overlap or begin before it."""
    return [Pause(world.after(begin), world.after(begin + length)) for begin, length in gaps]


def walked(pauses: list[Pause]) -> list[day_walk.Pause]:
    return [(pause.starts_at, pause.ends_at) for pause in pauses]


def apart(world: World, gaps: list[tuple[int, int]]) -> list[Pause]:
    """Pauses that follow one another: each gap begins so long after the end of the last."""
    moment, found = world.start, []
    for wait, length in gaps:
        begin = moment + timedelta(seconds=abs(wait))
        moment = begin + timedelta(seconds=length)
        found.append(Pause(begin, moment))
    return found


@fuzz(500, times=5)
@given(worlds(), LENGTHS, GAPS)
def test_elapsed_is_what_the_day_walk_counts(
    world: World, length: int, gaps: list[tuple[int, int]]
) -> None:
    pauses, end = pauses_of(world, gaps), world.after(length)
    counted = elapsed(world.calendar, world.start, end, pauses)
    assert counted == day_walk.elapsed(world.form, world.start, end, walked(pauses))
    assert elapsed(world.calendar, end, world.start, pauses) == ZERO or length == 0


@fuzz(500, times=5)
@given(worlds(), TARGETS, GAPS)
def test_due_is_where_the_day_walk_gets_to_and_the_first_such_instant(
    world: World, target: timedelta, gaps: list[tuple[int, int]]
) -> None:
    pauses = pauses_of(world, gaps)
    due_at = due(world.calendar, world.start, target, pauses).due_at
    assert due_at == day_walk.due(world.form, world.start, target, walked(pauses))
    assert due_at is not None
    assert elapsed(world.calendar, world.start, due_at, pauses) == target
    assert elapsed(world.calendar, world.start, due_at - MOMENT, pauses) < target


@fuzz(500, times=5)
@given(worlds(), GAPS)
def test_a_target_of_nothing_is_due_at_the_first_counted_moment(
    world: World, gaps: list[tuple[int, int]]
) -> None:
    pauses = pauses_of(world, gaps)
    due_at = due(world.calendar, world.start, ZERO, pauses).due_at
    assert due_at == day_walk.due(world.form, world.start, ZERO, walked(pauses))
    assert due_at is not None and due_at >= world.start
    assert elapsed(world.calendar, due_at, due_at + MOMENT, pauses) == MOMENT


@fuzz(500, times=5)
@given(worlds(), TARGETS, TARGETS, GAPS, LENGTHS, LENGTHS)
def test_targets_and_intervals_add_up(
    world: World,
    one: timedelta,
    other: timedelta,
    gaps: list[tuple[int, int]],
    first: int,
    second: int,
) -> None:
    calendar, start, pauses = world.calendar, world.start, pauses_of(world, gaps)
    middle = due(calendar, start, one, pauses).due_at
    assert middle is not None
    assert due(calendar, start, one + other, pauses) == due(calendar, middle, other, pauses)
    cut, end = world.after(first), world.after(first + second)
    whole = elapsed(calendar, start, end, pauses)
    assert whole == elapsed(calendar, start, cut, pauses) + elapsed(calendar, cut, end, pauses)


@fuzz(500, times=5)
@given(worlds(), TARGETS, st.floats(0, 1), GAPS)
def test_what_happens_outside_working_time_changes_nothing(
    world: World, target: timedelta, share: float, gaps: list[tuple[int, int]]
) -> None:
    calendar, start, pauses = world.calendar, world.start, pauses_of(world, gaps)
    first = calendar.next_moment(micros_of(start))
    begin = micros_of(start)
    shifted = instant_of(begin + int((first - begin) * share), calendar.zone)
    assert due(calendar, shifted, target) == due(calendar, start, target)
    spans = list(calendar.intervals(first, first + 20 * 86_400_000_000))
    idle = [(a[1], b[0]) for a, b in pairwise(spans) if a[1] < b[0]]
    assume(idle)
    begin, finish = idle[int(share * (len(idle) - 1))]
    added = Pause(instant_of(begin, calendar.zone), instant_of(finish, calendar.zone))
    assert due(calendar, start, target, [*pauses, added]) == due(calendar, start, target, pauses)


@fuzz(500, times=5)
@given(worlds(), TARGETS, GAPS)
def test_more_working_time_never_makes_due_later(
    world: World, target: timedelta, gaps: list[tuple[int, int]]
) -> None:
    pauses = pauses_of(world, gaps)
    due_at = due(world.calendar, world.start, target, pauses).due_at
    fewer = {**world.form, "holidays": world.form["holidays"][1:]}
    on = world.start.date() + timedelta(days=len(gaps))
    more = dict(world.form)
    if not day_walk.is_working_day(world.form, on):
        more["workdays"] = {**world.form["workdays"], on.isoformat(): [["06:00", "21:00"]]}
    for form in (fewer, more):
        sooner = due(calendar_of(form), world.start, target, pauses).due_at
        assert sooner is not None and due_at is not None and sooner <= due_at


@fuzz(500, times=5)
@given(worlds(), TARGETS, GAPS, st.integers(-40_000, 600_000), st.integers(0, 200_000))
def test_an_open_pause_leaves_a_rest_that_counts_from_the_resumption(
    world: World, target: timedelta, gaps: list[tuple[int, int]], begins: int, length: int
) -> None:
    calendar, start = world.calendar, world.start
    opened = world.after(begins)
    pauses = [*pauses_of(world, gaps), Pause(opened, None, "waiting_on_reporter")]
    found = due(calendar, start, target, pauses)
    assert found.due_at == day_walk.due(world.form, start, target, walked(pauses))
    resumed = max(start, opened) + timedelta(seconds=length)
    later = due_if_resumed(calendar, start, target, pauses, resumed)
    if found.due_at is not None:
        assert (found.paused_at, found.remaining, later) == (None, None, found.due_at)
        return
    assert found.paused_at is not None and found.remaining is not None
    far = max(resumed, start) + timedelta(days=200)
    assert elapsed(calendar, start, far, pauses) + found.remaining == target
    if not gaps:
        assert later == due(calendar, resumed, found.remaining).due_at
        worked = elapsed(calendar, max(start, opened), resumed)
        assert later == due(calendar, start, target + worked).due_at


@fuzz(500, times=5)
@given(
    worlds(),
    st.integers(0, 12),
    st.sampled_from(["working_days", "calendar_days"]),
    st.booleans(),
    st.sampled_from(["midnight", "business"]),
    GAPS,
    st.booleans(),
)
def test_limits_of_days_end_where_the_day_walk_ends(
    world: World,
    count: int,
    unit: Any,
    rolls: bool,
    ends: Any,
    gaps: list[tuple[int, int]],
    is_open: bool,
) -> None:
    pauses = apart(world, gaps)
    if is_open and pauses:
        pauses[-1] = Pause(pauses[-1].starts_at, None)
    found = due(world.calendar, world.start, DayLimit(count, unit, rolls, ends), pauses)
    if count == 0:
        # The start's own day, or the next that is not over yet.
        assert pauses or (found.due_at is not None and found.due_at >= world.start)
        return
    assert found.due_at == day_walk.day_limit(
        world.form, world.start, count, unit, rolls=rolls, ends=ends, pauses=walked(pauses)
    )
    first = world.start.date()
    if unit == "working_days" and not pauses:
        assert found.due_on == day_walk.nth_working_day(world.form, first, count)
        assert world.calendar.working_days_between(first, found.due_on) == count


@fuzz(500, times=5)
@given(worlds(), LENGTHS, GAPS)
def test_the_explanation_has_no_hole_and_adds_up_to_the_elapsed_time(
    world: World, length: int, gaps: list[tuple[int, int]]
) -> None:
    pauses, end = pauses_of(world, gaps), world.after(length)
    rows = explain(world.calendar, world.start, end, pauses, until=end + timedelta(days=1))
    counted = sum((row.counted for row in rows), ZERO)
    assert counted == elapsed(world.calendar, world.start, end, pauses)
    assert rows[0].starts_at == world.start
    assert rows[-1].reason == "after stop" and rows[-1].ends_at == end + timedelta(days=1)
    for row, following in pairwise(rows):
        assert row.ends_at == following.starts_at and row.reason != following.reason
    for row in rows:
        assert row.ends_at is not None
        works = row.reason in ("working", "make-up day")
        assert row.counted == (row.ends_at - row.starts_at if works else ZERO)


@fuzz(100)
@given(worlds(), TARGETS, GAPS)
def test_a_calendar_of_intervals_counts_as_the_week_it_was_made_of(
    world: World, target: timedelta, gaps: list[tuple[int, int]]
) -> None:
    calendar, pauses = world.calendar, pauses_of(world, gaps)
    due_at = due(calendar, world.start, target, pauses).due_at
    assert due_at is not None
    first = world.start.date() - timedelta(days=60)
    days = [first + timedelta(days=number) for number in range(250)]
    assume(due_at.date() < days[-1])
    low, high = calendar.day_end(days[0] - timedelta(days=1)), calendar.day_end(days[-1])
    copied = interval_calendar(
        "copy",
        calendar.zone,
        [
            (instant_of(begin, calendar.zone), instant_of(finish, calendar.zone))
            for begin, finish, _ in calendar.intervals(low, high)
        ],
        [calendar.day(day) for day in days],
    )
    assert due(copied, world.start, target, pauses).due_at == due_at
    assert explain(copied, world.start, due_at, pauses) == explain(
        calendar, world.start, due_at, pauses
    )


WHOLE_DAYS = {day: [["00:00", "24:00"]] for day in day_walk.WEEKDAYS}


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Asia/Shanghai", "2026-03-29", 24),
    ],
)
def test_a_day_has_the_hours_its_clocks_give_it(zone: str, day: str, hours: float) -> None:
    calendar = calendar_of({"zone": zone, "week": WHOLE_DAYS})
    start = read_instant(day, calendar.zone)
    end = read_instant((date.fromisoformat(day) + timedelta(days=1)).isoformat(), calendar.zone)
    assert elapsed(calendar, start, end) == timedelta(hours=hours)


def test_an_hour_that_is_skipped_has_no_seconds_and_one_that_is_repeated_counts_twice() -> None:
    week = {"sun": [["02:00", "02:30"], ["02:30", "04:00"]]}
    calendar = calendar_of({"zone": "Europe/Berlin", "week": week})
    night = [read_instant(text, calendar.zone) for text in ("2026-03-29", "2026-03-30")]
    # 02:00-03:00 is skipped, so 03:00-04:00 is all there is.
    assert elapsed(calendar, *night) == timedelta(hours=1)
    night = [read_instant(text, calendar.zone) for text in ("2026-10-25", "2026-10-26")]
    assert elapsed(calendar, *night) == timedelta(hours=3)


def test_a_local_time_must_exist_and_be_one() -> None:
    berlin = zone_of("Europe/Berlin")
    with pytest.raises(ValueError, match="does not exist in Europe/Berlin"):
        read_instant("2026-03-29T02:30", berlin)
    with pytest.raises(ValueError, match="comes twice in Europe/Berlin"):
        read_instant("2026-10-25T02:30", berlin)
    assert read_instant("2026-10-25T02:30+01:00", berlin).isoformat() == "2026-10-25T02:30:00+01:00"
    assert read_instant("2026-03-29T03:00", berlin).isoformat() == "2026-03-29T03:00:00+02:00"
    assert read_instant("2026-03-29T01:00Z", berlin).isoformat() == "2026-03-29T03:00:00+02:00"


OFFICE = {
    "zone": "Asia/Shanghai",
    "week": {
        day: [["09:00", "12:00"], ["13:30", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")
    },
}


def at(moment: str) -> datetime:
    return read_instant(moment, zone_of("Asia/Shanghai"))


def test_a_calendar_without_working_time_is_named_and_not_searched_for_ever() -> None:
    never = calendar_of({"zone": "Asia/Shanghai", "week": {}})
    for target in (timedelta(hours=1), ZERO, DayLimit(1, "working_days")):
        with pytest.raises(NoWorkingTime, match="10 years without working time"):
            due(never, at("2026-03-02T09:00"), target)
    assert elapsed(never, at("2026-03-02T09:00"), at("2027-03-02T09:00")) == ZERO
    once = calendar_of(
        {"zone": "Asia/Shanghai", "week": {}, "workdays": {"2026-03-02": [["09:00", "10:00"]]}}
    )
    assert due(once, at("2020-01-01"), timedelta(hours=1)).due_at == at("2026-03-02T10:00")
    with pytest.raises(NoWorkingTime):
        due(once, at("2020-01-01"), timedelta(hours=1, seconds=1))


def test_a_calendar_of_intervals_says_where_it_ends() -> None:
    whole = calendar_of(OFFICE)
    days = [date(2026, 3, 1) + timedelta(days=number) for number in range(31)]
    calendar = interval_calendar(
        "march",
        whole.zone,
        [
            (instant_of(low, whole.zone), instant_of(high, whole.zone))
            for low, high, _ in whole.intervals(
                micros_of(at("2026-03-01")), micros_of(at("2026-04-01"))
            )
        ],
        [CalendarDay(day, day.isoweekday() < 6, ()) for day in days],
    )
    start = at("2026-03-31T17:00")
    assert due(calendar, start, timedelta(hours=1)).due_at == at("2026-03-31T18:00")
    assert elapsed(calendar, start, at("2026-04-01")) == timedelta(hours=1)
    for target in (timedelta(hours=2), DayLimit(1, "working_days"), DayLimit(1, "calendar_days")):
        with pytest.raises(CalendarTooShort, match="2026-03-01 to 2026-03-31"):
            due(calendar, start, target)
    with pytest.raises(CalendarTooShort):
        elapsed(calendar, at("2026-02-28T09:00"), start)


def test_a_pause_moves_a_limit_of_days_by_the_days_between_its_dates() -> None:
    calendar = calendar_of(OFFICE)
    start = at("2026-03-02T10:00")
    limit = DayLimit(3, "working_days")
    assert due(calendar, start, limit).due_on == date(2026, 3, 5)
    # Within one day it moves nothing, over a weekend by the one working day.
    within = Pause(at("2026-03-03T09:00"), at("2026-03-03T17:00"))
    over = Pause(at("2026-03-05T09:00"), at("2026-03-09T09:00"))
    assert due(calendar, start, limit, [within]).due_on == date(2026, 3, 5)
    assert due(calendar, start, limit, [within, over]).due_on == date(2026, 3, 9)
    # What begins after the limit comes too late.
    late = Pause(at("2026-03-06T09:00"), at("2026-03-20T09:00"))
    assert due(calendar, start, limit, [late]).due_on == date(2026, 3, 5)
    still = due(calendar, start, limit, [Pause(at("2026-03-04T09:00"), None)])
    assert (still.due_at, still.remaining_days) == (None, 1)
    # Sat 03-07 and one day rolls to Mon 03-09 once, however often it was paused.
    days = DayLimit(4, "calendar_days")
    paused = [Pause(at("2026-03-03T09:00"), at("2026-03-04T09:00"))]
    assert due(calendar, start, days).due_on == date(2026, 3, 6)
    assert due(calendar, start, days, paused).due_on == date(2026, 3, 9)


def test_a_limit_of_no_days_is_the_day_itself_if_it_is_not_over() -> None:
    calendar = calendar_of(OFFICE)
    friday = at("2026-03-06T19:00")
    assert due(calendar, friday, DayLimit(0, "working_days")).due_on == date(2026, 3, 6)
    business = DayLimit(0, "working_days", ends="business")
    assert due(calendar, friday, business).due_at == at("2026-03-09T18:00")
    saturday = at("2026-03-07T10:00")
    assert due(calendar, saturday, DayLimit(0, "working_days")).due_on == date(2026, 3, 9)
    assert due(calendar, saturday, DayLimit(0, "calendar_days")).due_on == date(2026, 3, 9)
    plain = DayLimit(0, "calendar_days", rolls=False)
    assert due(calendar, saturday, plain).due_on == date(2026, 3, 7)


def test_instants_of_one_zone_are_not_taken_for_what_the_wall_shows() -> None:
    berlin = zone_of("Europe/Berlin")
    calendar = calendar_of({"zone": "Europe/Berlin", "week": WHOLE_DAYS})
    first = datetime(2026, 10, 25, 2, 30, tzinfo=berlin)
    second = first.replace(fold=1)
    assert elapsed(calendar, first, second) == timedelta(hours=1)
    pauses = [Pause(second, None), Pause(first, first + timedelta(minutes=1))]
    assert elapsed(calendar, first, second, pauses) == timedelta(minutes=59)
    found = due(calendar, first, timedelta(hours=2), pauses)
    assert found.paused_at == read_instant("2026-10-25T02:30+01:00", berlin)
    assert found.paused_at.isoformat() == "2026-10-25T02:30:00+01:00"


def test_values_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        Pause(at("2026-03-02T10:00"), at("2026-03-02T09:00"))
    with pytest.raises(ValueError, match="no offset"):
        Pause(datetime(2026, 3, 2), None)  # noqa: DTZ001
    with pytest.raises(ValueError, match="less than none"):
        due(calendar_of(OFFICE), at("2026-03-02"), timedelta(seconds=-1))
    with pytest.raises(ValueError, match="-1 days"):
        DayLimit(-1, "working_days")
    with pytest.raises(ValueError, match="no dates"):
        interval_calendar("none", zone_of("Asia/Shanghai"), [], [])
