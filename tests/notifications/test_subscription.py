"""Time conditions and the slots that follow from them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from notifications.subscription import (
    TimeCondition,
    active_subscriptions,
    due_slots,
    subscribe_all,
    unsubscribe,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")


def is_working_day(day: date) -> bool:
    """Monday to Friday, but Monday 6 April 2026 (Tomb-sweeping) is off."""
    return day.isoweekday() < 6 and day != date(2026, 4, 6)


def slots(condition: TimeCondition, first: str, last: str) -> list[str]:
    """Slots from the start of `first` to the end of `last`, as local text."""
    start = datetime.fromisoformat(first).replace(tzinfo=SHANGHAI)
    end = datetime.fromisoformat(last).replace(tzinfo=SHANGHAI) + timedelta(days=1)
    found = due_slots(
        condition,
        start - timedelta(seconds=1),
        end - timedelta(seconds=1),
        zone=SHANGHAI,
        is_working_day=is_working_day,
    )
    return [slot.strftime("%m-%d %H:%M") for slot in found]


def test_every_time_of_every_day_is_a_slot() -> None:
    condition = TimeCondition(times=("17:00", "08:30"))
    assert slots(condition, "2026-03-30", "2026-03-31") == [
        "03-30 08:30",
        "03-30 17:00",
        "03-31 08:30",
        "03-31 17:00",
    ]


def test_working_days_leave_out_weekend_and_holiday() -> None:
    condition = TimeCondition(times=("08:00",), days="working_days")
    found = slots(condition, "2026-04-03", "2026-04-07")
    assert found == ["04-03 08:00", "04-07 08:00"]


def test_chosen_weekdays_count_from_monday() -> None:
    condition = TimeCondition(times=("08:00",), days="weekdays", numbers=(1, 7))
    assert slots(condition, "2026-03-30", "2026-04-05") == ["03-30 08:00", "04-05 08:00"]


def test_month_days_count_from_either_end() -> None:
    condition = TimeCondition(times=("09:00",), days="month_days", numbers=(1, -1))
    found = slots(condition, "2026-02-01", "2026-03-31")
    assert found == ["02-01 09:00", "02-28 09:00", "03-01 09:00", "03-31 09:00"]


def test_a_month_without_the_31st_has_no_such_slot() -> None:
    condition = TimeCondition(times=("09:00",), days="month_days", numbers=(31,))
    assert slots(condition, "2026-04-01", "2026-05-31") == ["05-31 09:00"]


def test_the_nth_working_day_steps_over_holidays() -> None:
    condition = TimeCondition(times=("09:00",), days="nth_working_day", numbers=(1, 4, -1))
    found = slots(condition, "2026-04-01", "2026-04-30")
    assert found == ["04-01 09:00", "04-07 09:00", "04-30 09:00"]


def test_a_slot_at_the_very_moment_is_due_and_not_due_again() -> None:
    condition = TimeCondition(times=("08:30",))
    moment = datetime(2026, 3, 31, 8, 30, tzinfo=SHANGHAI)
    options: dict[str, Any] = {"zone": SHANGHAI, "is_working_day": is_working_day}
    assert due_slots(condition, moment - timedelta(minutes=1), moment, **options) == (moment,)
    assert due_slots(condition, moment, moment + timedelta(minutes=1), **options) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"times": ("08:30:15",)},
        {"times": ()},
        {"times": ("08:30",), "days": "weekdays"},
        {"times": ("08:30",), "days": "weekdays", "numbers": (-1,)},
        {"times": ("08:30",), "days": "month_days", "numbers": (0,)},
        {"times": ("08:30",), "days": "daily", "numbers": (1,)},
    ],
)
def test_a_condition_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TimeCondition.model_validate(wrong)


CONDITIONS = st.one_of(
    st.builds(TimeCondition, times=st.just(("08:30", "17:00"))),
    st.builds(TimeCondition, times=st.just(("00:00",)), days=st.just("working_days")),
    st.builds(
        TimeCondition,
        times=st.just(("12:00",)),
        days=st.just("month_days"),
        numbers=st.lists(st.sampled_from([1, 15, 31, -1, -3]), min_size=1).map(tuple),
    ),
)
HOURS = st.integers(0, 24 * 40)


@settings(max_examples=50)
@given(CONDITIONS, st.tuples(HOURS, HOURS, HOURS).map(sorted))
def test_two_windows_give_the_same_slots_as_one(condition: TimeCondition, hours: list[int]) -> None:
    first, middle, last = (datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=h) for h in hours)
    options: dict[str, Any] = {"zone": SHANGHAI, "is_working_day": is_working_day}
    whole = due_slots(condition, first, last, **options)
    assert whole == due_slots(condition, first, middle, **options) + due_slots(
        condition, middle, last, **options
    )


def test_a_clock_change_does_not_double_a_slot() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    found = due_slots(
        TimeCondition(times=("02:30",)),
        datetime(2026, 10, 24, 12, tzinfo=berlin),
        datetime(2026, 10, 25, 12, tzinfo=berlin),
        zone=berlin,
        is_working_day=is_working_day,
    )
    assert [slot.astimezone(UTC) for slot in found] == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]


def test_subscribing_again_keeps_one_subscription_with_the_new_terms(world: Any) -> None:
    first = world.subscribe("P1")
    second = world.subscribe("P1", language="en")
    assert first == second
    with world.engine.begin() as connection:
        (only,) = active_subscriptions(connection)
        assert only.language == "en"
        unsubscribe(connection, first, now=world.now)
        assert active_subscriptions(connection) == ()


def test_giving_a_digest_to_all_leaves_those_alone_who_chose_for_themselves(world: Any) -> None:
    own = world.subscribe("P1", language="en")
    ended = world.subscribe("C2")
    with world.engine.begin() as connection:
        unsubscribe(connection, ended, now=world.now)
        terms: dict[str, Any] = {"now": world.now, "actor": "operator"}
        condition = TimeCondition(times=("08:30",))
        everyone = ["P1", "C2", "M3", "J4"]
        assert subscribe_all(connection, everyone, "daily_sales", condition, **terms) == 2
        assert subscribe_all(connection, everyone, "daily_sales", condition, **terms) == 0
        active = {one.account_id: one for one in active_subscriptions(connection)}
    assert sorted(active) == ["J4", "M3", "P1"]
    assert (active["P1"].subscription_id, active["P1"].language) == (own, "en")
