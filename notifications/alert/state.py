"""The state machine of one series (one unit under one rule), counted in data periods.

OK -> PENDING -> FIRING -> RECOVERING -> OK. It is pure: a policy, a state and an observation give
the next state and at most one event. Whether people are told follows from what they were told
last, so a series speaks at most once for each observation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal

State = Literal["ok", "pending", "firing", "recovering"]
Health = Literal["good", "incomplete", "nodata"]
EventKind = Literal["fired", "resolved"]
Reason = Literal["decided", "corrected", "already_decided", "older_period", "not_good"]

_LOUD = ("firing", "recovering")


@dataclass(frozen=True)
class Policy:
    """The numbers of a rule: thresholds apply to the value, or to value / comparison."""

    is_above: bool
    threshold: Decimal
    recover: Decimal
    is_relative: bool
    minimum_volume: Decimal
    for_periods: int
    recover_periods: int


@dataclass(frozen=True)
class Observation:
    """What one period says about a series.

    `value` is null when it cannot be formed, as a share of nothing; while the `volume` is known
    that is still an answer. Both are null when nothing is known. `newest` is a number that rises
    when something new joins what is counted; a series that fires is then told again.
    """

    period: date
    value: Decimal | None
    comparison: Decimal | None = None
    volume: Decimal | None = None
    health: Health = "good"
    newest: Decimal | None = None

    @property
    def can_be_decided(self) -> bool:
        """Whether the state may move by this period."""
        return self.health == "good" and (self.value is not None or self.volume is not None)

    @property
    def fingerprint(self) -> str:
        """Version of the period's own data; the comparison's older periods do not count."""
        text = f"{self.period}|{_canonical(self.value)}|{_canonical(self.volume)}"
        if self.newest is not None:
            text += f"|{_canonical(self.newest)}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}"


@dataclass(frozen=True)
class Position:
    """Where the machine stands: state, periods counted in it, and the firing it belongs to."""

    state: State = "ok"
    streak: int = 0
    firing_id: str | None = None


@dataclass(frozen=True)
class Series:
    """A series between two evaluations.

    `before` is the position before `period`, so that a corrected period is decided again and not
    counted twice. `told` counts what people were told about the firing: odd means they believe it
    fires. `told_newest` is what was newest when they were told last that it fires.
    """

    position: Position = Position()
    health: Health = "good"
    period: date | None = None
    fingerprint: str | None = None
    before: Position = Position()
    told: int = 0
    told_firing_id: str | None = None
    told_newest: Decimal | None = None

    def to_json(self) -> dict[str, Any]:
        """The part that has no column of its own in the store."""
        newest = None if self.told_newest is None else _canonical(self.told_newest)
        return {
            "before": asdict(self.before),
            "told_firing_id": self.told_firing_id,
            **({} if newest is None else {"told_newest": newest}),
        }


@dataclass(frozen=True)
class Step:
    """The series after an evaluation, what is to be told, and why."""

    series: Series
    reason: Reason
    kind: EventKind | None = None
    firing_id: str | None = None
    number: int = 0


def measured(policy: Policy, observation: Observation) -> Decimal | None:
    """The number that is held against the threshold; None if it cannot be formed."""
    if observation.value is None:
        return None
    if not policy.is_relative:
        return observation.value
    if observation.comparison is None or observation.comparison == 0:
        return None
    return observation.value / observation.comparison


def _breaches(policy: Policy, observation: Observation) -> bool:
    number = measured(policy, observation)
    volume = observation.volume if observation.volume is not None else Decimal(0)
    if number is None:
        # Against a comparison of zero any value with enough volume is out of proportion.
        without_base = policy.is_relative and policy.is_above and observation.comparison == 0
        return without_base and volume > 0 and volume >= policy.minimum_volume
    if volume < policy.minimum_volume:
        return False
    return number > policy.threshold if policy.is_above else number < policy.threshold


def _recovers(policy: Policy, observation: Observation) -> bool:
    number = measured(policy, observation)
    volume = observation.volume if observation.volume is not None else Decimal(0)
    if volume < policy.minimum_volume:
        return True
    if observation.value is None:
        # Nothing of what is too much is over; enough volume without a value proves nothing.
        return policy.is_above and volume == 0
    if number is None:
        return not _breaches(policy, observation)
    return number <= policy.recover if policy.is_above else number >= policy.recover


def move(policy: Policy, position: Position, observation: Observation) -> Position:
    """Move one position by one good period."""
    breaches = _breaches(policy, observation)
    if position.state in ("ok", "pending"):
        if not breaches:
            return Position()
        streak = position.streak + 1 if position.state == "pending" else 1
        if streak >= policy.for_periods:
            return Position("firing", 0, observation.period.isoformat())
        return Position("pending", streak)
    if not _recovers(policy, observation):
        return Position("firing", 0, position.firing_id)
    streak = position.streak + 1 if position.state == "recovering" else 1
    if streak >= policy.recover_periods:
        return Position()
    return Position("recovering", streak, position.firing_id)


def evaluate(policy: Policy, series: Series, observations: Sequence[Observation]) -> Step:
    """Evaluate the periods from the oldest to the newest and tell at most one thing.

    Periods older than the series' own are ignored; the same period again is decided again only if
    its own data changed; a period whose health is not good freezes the state. Older periods that
    are caught up move the state in silence: only where the newest period leaves the series is
    told.
    """
    reason: Reason = "already_decided"
    moved: Reason | None = None
    newest: Decimal | None = None
    for observation in observations:
        if series.period is not None and observation.period < series.period:
            reason = "older_period"
            continue
        if not observation.can_be_decided:
            health = observation.health if observation.health != "good" else "nodata"
            series, reason = replace(series, health=health), "not_good"
            continue
        is_same_period = observation.period == series.period
        if is_same_period and observation.fingerprint == series.fingerprint:
            series, reason = replace(series, health="good"), "already_decided"
            continue
        before = series.before if is_same_period else series.position
        series = replace(
            series,
            position=move(policy, before, observation),
            health="good",
            period=observation.period,
            fingerprint=observation.fingerprint,
            before=before,
        )
        moved = "corrected" if is_same_period else "decided"
        newest = observation.newest
    return Step(series, reason) if moved is None else _tell(series, moved, newest)


def _tell(series: Series, reason: Reason, newest: Decimal | None) -> Step:
    is_loud = series.position.state in _LOUD
    believes = series.told % 2 == 1
    if is_loud and not believes:
        is_known = series.position.firing_id == series.told_firing_id
        told = series.told + 1 if is_known else 1
        series = replace(
            series, told=told, told_firing_id=series.position.firing_id, told_newest=newest
        )
        return Step(series, reason, "fired", series.told_firing_id, (told + 1) // 2)
    if is_loud and newest is not None and newest > (series.told_newest or Decimal(0)):
        series = replace(series, told=series.told + 2, told_newest=newest)
        return Step(series, reason, "fired", series.told_firing_id, (series.told + 1) // 2)
    if believes and not is_loud:
        series = replace(series, told=series.told + 1)
        return Step(series, reason, "resolved", series.told_firing_id, series.told // 2)
    return Step(series, reason)
