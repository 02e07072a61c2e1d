"""The state machine of one series."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from notifications.alert.state import Observation, Policy, Series, evaluate

FIRST = date(2026, 3, 1)


def policy(**changes: Any) -> Policy:
    """Fires above 10, recovers at 5; no comparison, no minimum, one period each."""
    numbers: dict[str, Any] = {
        "is_above": True,
        "threshold": Decimal(10),
        "recover": Decimal(5),
        "is_relative": False,
        "minimum_volume": Decimal(0),
        "for_periods": 1,
        "recover_periods": 1,
    }
    return Policy(**{**numbers, **changes})


def seen(number: int, value: int | None, **more: Any) -> Observation:
    """The observation of the n-th period."""
    amount = None if value is None else Decimal(value)
    return Observation(FIRST + timedelta(days=number), amount, volume=amount, **more)


def run(rule: Policy, *observations: Observation) -> list[tuple[str, str | None]]:
    """State and event after each observation, evaluated one by one."""
    series, found = Series(), []
    for one in observations:
        step = evaluate(rule, series, [one])
        series = step.series
        found.append((series.position.state, step.kind))
    return found


def test_a_series_fires_stays_between_the_thresholds_and_recovers() -> None:
    found = run(policy(), seen(0, 10), seen(1, 11), seen(2, 8), seen(3, 5))
    assert found == [("ok", None), ("firing", "fired"), ("firing", None), ("ok", "resolved")]


def test_a_breach_must_last_and_so_must_the_recovery() -> None:
    rule = policy(for_periods=2, recover_periods=2)
    found = run(rule, *(seen(n, v) for n, v in enumerate([11, 11, 3, 11, 3, 3])))
    assert found == [
        ("pending", None),
        ("firing", "fired"),
        ("recovering", None),
        ("firing", None),
        ("recovering", None),
        ("ok", "resolved"),
    ]


def test_below_means_below() -> None:
    rule = policy(is_above=False, threshold=Decimal(5), recover=Decimal(10))
    found = run(rule, seen(0, 5), seen(1, 4), seen(2, 9), seen(3, 10))
    assert [kind for _, kind in found] == [None, "fired", None, "resolved"]


def test_an_incomplete_period_freezes_the_state_both_ways() -> None:
    found = run(
        policy(),
        seen(0, 50, health="incomplete"),
        seen(1, 50),
        seen(2, 0, health="incomplete"),
        seen(3, None),
    )
    assert found == [("ok", None), ("firing", "fired"), ("firing", None), ("firing", None)]


def share(number: int, value: str | None, volume: int | None) -> Observation:
    """A share of a volume."""
    return Observation(
        FIRST + timedelta(days=number),
        None if value is None else Decimal(value),
        volume=None if volume is None else Decimal(volume),
    )


def test_a_share_of_nothing_ends_a_firing_and_the_next_breach_is_told_again() -> None:
    rule = policy(threshold=Decimal("0.4"), recover=Decimal("0.3"), minimum_volume=Decimal(20))
    found = run(rule, share(0, "0.5", 40), share(1, None, 0), share(2, "0.6", 50))
    assert found == [("firing", "fired"), ("ok", "resolved"), ("firing", "fired")]
    without_minimum = policy(threshold=Decimal("0.4"), recover=Decimal("0.3"))
    assert run(without_minimum, share(0, "0.5", 40), share(1, None, 0))[-1] == ("ok", "resolved")


def test_a_share_of_nothing_is_a_good_period_and_a_share_of_the_unknown_is_none() -> None:
    rule = policy(minimum_volume=Decimal(20))
    nothing = evaluate(rule, Series(), [share(0, None, 0)])
    assert (nothing.reason, nothing.series.health) == ("decided", "good")
    assert nothing.series.period == FIRST
    unknown = evaluate(rule, Series(), [share(0, None, None)])
    assert (unknown.reason, unknown.series.health) == ("not_good", "nodata")
    assert unknown.series.period is None


def test_a_missing_value_with_enough_volume_neither_fires_nor_ends_a_firing() -> None:
    rule = policy(minimum_volume=Decimal(20))
    found = run(rule, share(0, None, 30), share(1, "11", 30), share(2, None, 30), share(3, "5", 30))
    assert found == [("ok", None), ("firing", "fired"), ("firing", None), ("ok", "resolved")]


def test_nothing_is_not_enough_where_too_little_is_the_matter() -> None:
    rule = policy(is_above=False, threshold=Decimal(5), recover=Decimal(10))
    assert run(rule, share(0, "4", 4), share(1, None, 0))[-1] == ("firing", None)


def test_the_same_data_never_speaks_twice() -> None:
    step = evaluate(policy(), Series(), [seen(0, 50)])
    again = evaluate(policy(), step.series, [seen(0, 50)])
    assert (step.kind, again.kind, again.reason) == ("fired", None, "already_decided")
    assert again.series == step.series


def test_other_history_under_the_same_period_does_not_decide_it_again() -> None:
    rule = policy(is_relative=True, threshold=Decimal(2), recover=Decimal(1))
    first = evaluate(rule, Series(), [seen(0, 30, comparison=Decimal(20))])
    reloaded = evaluate(rule, first.series, [seen(0, 30, comparison=Decimal(10))])
    assert (reloaded.kind, reloaded.reason) == (None, "already_decided")


def test_an_older_period_loaded_again_does_not_touch_the_live_state() -> None:
    series = evaluate(policy(), Series(), [seen(5, 50)]).series
    step = evaluate(policy(), series, [seen(3, 0)])
    assert (step.series, step.kind, step.reason) == (series, None, "older_period")


def test_a_corrected_period_is_decided_again_but_not_counted_twice() -> None:
    rule = policy(for_periods=2)
    series = evaluate(rule, Series(), [seen(0, 50)]).series
    corrected = evaluate(rule, series, [seen(0, 60)])
    assert (corrected.series.position.state, corrected.series.position.streak) == ("pending", 1)
    assert (corrected.kind, corrected.reason) == (None, "corrected")


def test_a_correction_takes_back_what_was_told_once_and_can_tell_it_again() -> None:
    series, told = Series(), []
    for value in (50, 3, 60):
        step = evaluate(policy(), series, [seen(0, value)])
        series = step.series
        told.append((step.kind, step.firing_id, step.number))
    day = FIRST.isoformat()
    assert told == [("fired", day, 1), ("resolved", day, 1), ("fired", day, 2)]


def test_caught_up_periods_are_silent_and_only_the_outcome_is_told() -> None:
    step = evaluate(policy(), Series(), [seen(0, 50), seen(1, 3), seen(2, 50)])
    assert (step.kind, step.firing_id) == ("fired", "2026-03-03")
    quiet = evaluate(policy(), Series(), [seen(0, 50), seen(1, 3)])
    assert quiet.kind is None


def test_what_a_complete_day_fired_is_told_although_the_next_day_is_incomplete() -> None:
    step = evaluate(policy(), Series(), [seen(0, 50), seen(1, None, health="incomplete")])
    assert (step.kind, step.series.health) == ("fired", "incomplete")


def test_little_volume_never_fires() -> None:
    rule = policy(is_relative=True, threshold=Decimal(2), minimum_volume=Decimal(10))
    assert run(rule, seen(0, 9, comparison=Decimal(1))) == [("ok", None)]
    assert run(rule, seen(0, 10, comparison=Decimal(1))) == [("firing", "fired")]
    assert run(rule, seen(0, 10, comparison=Decimal(0))) == [("firing", "fired")]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 20), st.booleans()), max_size=20),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_people_hear_fired_and_resolved_in_turn_whatever_arrives(
    arrivals: list[tuple[int, int, bool]], for_periods: int, recover_periods: int
) -> None:
    rule = policy(for_periods=for_periods, recover_periods=recover_periods)
    series, kinds, keys = Series(), [], []
    for number, value, is_good in arrivals:
        step = evaluate(
            rule, series, [seen(number, value, health="good" if is_good else "incomplete")]
        )
        series = step.series
        if step.kind is not None:
            kinds.append(step.kind)
            keys.append((step.firing_id, step.kind, step.number))
    assert kinds == [("fired", "resolved")[n % 2] for n in range(len(kinds))]
    assert len(set(keys)) == len(keys)
    assert (len(kinds) % 2 == 1) == (series.position.state in ("firing", "recovering"))
