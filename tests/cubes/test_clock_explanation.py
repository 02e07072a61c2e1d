"""The explanation of a clock: its pauses from statuses, and what its rows add up to."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cubes.clock_explanation import (
    ClockSpan,
    StatusSpan,
    clock_pauses,
    counted_seconds,
    explain_clock,
    row_dates,
)
from cubes.local_clock import zone_of
from cubes.working_calendar import weekly_calendar
from tests.soak import fuzz

SHANGHAI = zone_of("Asia/Shanghai")
OFFICE = ((9 * 3600, 12 * 3600), (13 * 3600 + 1800, 18 * 3600))
CALENDAR = weekly_calendar("office", SHANGHAI, {day: OFFICE for day in range(1, 6)})
STATUSES = ["new", "in_progress", "waiting_on_reporter", "waiting_on_partner", None]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


MONDAY = at("2026-03-02T09:00")
SPANS = [
    StatusSpan("new", MONDAY, at("2026-03-02T10:00")),
    StatusSpan("waiting_on_partner", at("2026-03-02T10:00"), at("2026-03-02T11:00")),
    StatusSpan("waiting_on_reporter", at("2026-03-02T11:00"), at("2026-03-02T14:00")),
    StatusSpan("in_progress", at("2026-03-02T14:00"), None),
]


def counted(pause_statuses: str | None, counted_statuses: str | None) -> int:
    clock = ClockSpan(MONDAY, at("2026-03-02T15:00"), pause_statuses, counted_statuses)
    return counted_seconds(explain_clock(CALENDAR, clock, SPANS))


def test_a_policy_pauses_in_its_statuses_and_a_clock_of_certain_statuses_in_all_others() -> None:
    # Three hours of the morning and an hour and a half of the afternoon, less what is paused.
    assert counted(None, None) == 16_200
    assert counted("waiting_on_reporter", None) == 16_200 - 3600 - 1800
    assert counted(None, "new;in_progress") == 16_200 - 7200 - 1800
    assert counted("new", "new;in_progress") == 16_200 - 7200 - 1800 - 3600


def test_a_status_that_only_touches_the_clock_or_is_not_known_pauses_nothing() -> None:
    clock = ClockSpan(at("2026-03-02T14:00"), at("2026-03-02T15:00"), "waiting_on_reporter")
    assert clock_pauses(clock, SPANS) == ()
    after = StatusSpan("waiting_on_reporter", at("2026-03-02T15:00"), None)
    unknown = StatusSpan(None, at("2026-03-02T14:10"), None)
    assert clock_pauses(clock, [after, unknown]) == ()


def test_parts_of_a_second_are_left_out_as_in_the_warehouse() -> None:
    half = timedelta(milliseconds=500)
    clock = ClockSpan(MONDAY + half, at("2026-03-02T09:00:10") + half + half)
    assert counted_seconds(explain_clock(CALENDAR, clock, ())) == 11


def test_a_row_names_the_dates_it_touches_and_not_the_one_it_ends_before() -> None:
    clock = ClockSpan(at("2026-03-06T18:00"), at("2026-03-09T00:00"))
    (night, weekend) = explain_clock(CALENDAR, clock, ())
    assert row_dates(CALENDAR, night) == (date(2026, 3, 6), date(2026, 3, 6))
    assert row_dates(CALENDAR, weekend) == (date(2026, 3, 7), date(2026, 3, 8))


def walked(clock: ClockSpan, spans: list[StatusSpan]) -> int:
    """The definition, minute by minute: working time in which no status stops the clock."""
    found = 0
    moment = clock.started_at
    while moment < clock.ended_at:
        local = moment.astimezone(SHANGHAI)
        second = local.hour * 3600 + local.minute * 60
        works = local.isoweekday() < 6 and any(low <= second < high for low, high in OFFICE)
        current = [
            one.status
            for one in spans
            if one.valid_from <= moment and (one.valid_to is None or moment < one.valid_to)
        ]
        stops = any(
            status is not None
            and (
                status in (clock.pause_statuses or "").split(";")
                or (clock.counted_statuses and status not in clock.counted_statuses.split(";"))
            )
            for status in current
        )
        found += 60 if works and not stops else 0
        moment += timedelta(minutes=1)
    return found


@fuzz(60)
@given(
    st.integers(0, 5 * 1440),
    st.integers(0, 3 * 1440),
    st.lists(st.tuples(st.integers(1, 1440), st.sampled_from(STATUSES)), max_size=6),
    st.sampled_from([None, "waiting_on_reporter", "waiting_on_reporter;waiting_on_partner"]),
    st.sampled_from([None, "new;in_progress"]),
)
def test_the_rows_add_up_to_a_walk_minute_by_minute(
    begins: int,
    lasts: int,
    parts: list[tuple[int, str | None]],
    pause_statuses: str | None,
    counted_statuses: str | None,
) -> None:
    start = MONDAY + timedelta(minutes=begins)
    clock = ClockSpan(start, start + timedelta(minutes=lasts), pause_statuses, counted_statuses)
    spans, since = [], MONDAY
    for minutes, status in parts:
        until = since + timedelta(minutes=minutes)
        spans.append(StatusSpan(status, since, until))
        since = until
    rows = explain_clock(CALENDAR, clock, spans)
    assert counted_seconds(rows) == walked(clock, spans)
    assert all(one.ends_at == two.starts_at for one, two in pairwise(rows))
