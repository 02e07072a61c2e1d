"""Alert rules: one YAML each in `notifications/alerts`, with the tests that prove it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from cubes.declaration import load_declarations
from cubes.label import LANGUAGES, Label
from notifications.alert.state import Observation, Policy, Series, evaluate
from notifications.declared import Declared
from notifications.publication import SNAPSHOT, Awaited
from notifications.template import Line, check_lines, required

Outcome = Literal["fires", "resolves", "quiet"]

TEXT_NAMES = (
    "unit",
    "period",
    "value",
    "comparison",
    "ratio",
    "threshold",
    "recover",
    "volume",
    "contributor",
    "contributor_value",
    "contributor_change",
    "members",
)


_ALWAYS_KNOWN = frozenset({"unit", "period", "threshold", "recover", "volume"})
"""What every decided observation has, also one whose value cannot be formed."""


class Against(Declared):
    """The comparison: the mean of the complete days among the `previous` ones."""

    mean_of_previous: int = Field(ge=1, le=60)


class Condition(Declared):
    """When a period breaches.

    `above` or `below` is a value of the measure, or with `against` a multiple of the comparison.
    A firing series recovers at `recover`, which must lie on the quiet side of the threshold.
    """

    above: Decimal | None = None
    below: Decimal | None = None
    against: Against | None = None
    recover: Decimal
    minimum_volume: Decimal = Decimal(0)
    for_periods: int = Field(default=1, ge=1, alias="for")
    recover_periods: int = Field(default=1, ge=1, alias="recover_for")

    @model_validator(mode="after")
    def _one_direction(self) -> Condition:
        if (self.above is None) == (self.below is None):
            raise ValueError("say either 'above' or 'below'")
        if self.above is not None and self.recover > self.above:
            raise ValueError("'recover' must not be higher than 'above'")
        if self.below is not None and self.recover < self.below:
            raise ValueError("'recover' must not be lower than 'below'")
        return self

    @property
    def threshold(self) -> Decimal:
        """The number of the condition, whichever direction it has."""
        found = self.above if self.above is not None else self.below
        assert found is not None
        return found

    def policy(self) -> Policy:
        """The condition as the state machine takes it."""
        return Policy(
            self.above is not None,
            self.threshold,
            self.recover,
            self.against is not None,
            self.minimum_volume,
            self.for_periods,
            self.recover_periods,
        )


class Audience(Declared):
    """Managers of the unit itself and of up to `ancestors` units above it, none of them higher
    than `up_to_level` (1 is the top level, 0 the whole); with `role` only holders of that role.

    What is about the whole is also told at the top unit where there is only one.
    """

    role: str | None = None
    ancestors: int = Field(default=1, ge=0)
    up_to_level: int = Field(default=0, ge=0)


class AlertText(Declared):
    """What is said when a series fires and when it is over."""

    fired: tuple[Line, ...] = Field(min_length=1)
    resolved: tuple[Line, ...] = Field(min_length=1)


class GivenPeriod(Declared):
    """One period of a rule's test: figures and what the rule must do then."""

    value: Decimal | None
    comparison: Decimal | None = None
    volume: Decimal | None = None
    newest: Decimal | None = None
    complete: bool = True
    expect: Outcome


class RuleTest(Declared):
    """Periods in order, starting from a quiet series."""

    name: str
    periods: tuple[GivenPeriod, ...] = Field(min_length=1)


class Rule(Declared):
    """One alert rule. Each unit of each of the org `levels` (0: the whole) is a series.

    `day` names the time dimension of daily figures; without it the measure is a stock as of the
    snapshot. `zero` says that a unit without a row had none. `explained_by` splits the figure to
    find the member that moved it most. `freshness: snapshot` waits for no source: the figure is
    what each snapshot knows of itself. `newest` is a measure that rises when something new joins
    what is counted: a series that fires is then told again, and otherwise only once.
    """

    rule: str
    label: Label
    query: str
    measure: str
    volume: str | None = None
    newest: str | None = None
    day: str | None = None
    zero: bool = False
    levels: tuple[int, ...] = Field(min_length=1)
    freshness: Awaited
    condition: Condition
    severity: Literal["info", "warning", "critical"]
    audience: Audience
    explained_by: str | None = None
    explained_measure: str | None = None
    text: AlertText
    segments: int = Field(ge=1, le=6)
    expires_after_hours: int = Field(default=12, ge=1)
    tests: tuple[RuleTest, ...] = Field(min_length=1)

    @property
    def volume_measure(self) -> str:
        """The measure that the minimum volume applies to (default: the measure itself)."""
        return self.volume or self.measure

    @property
    def contribution_measure(self) -> str:
        """The measure by which members are ranked (default: the measure itself)."""
        return self.explained_measure or self.measure

    @model_validator(mode="after")
    def _holds_together(self) -> Rule:
        if self.condition.against is not None and self.day is None:
            raise ValueError("'against' compares days, so the rule must name its 'day'")
        if self.freshness == SNAPSHOT and self.day is not None:
            raise ValueError("'freshness: snapshot' has no past, so the rule cannot name a 'day'")
        for lines in (self.text.fired, self.text.resolved):
            if all(line.priority != 1 for line in lines):
                raise ValueError("one line of each text must have priority 1")
            check_lines(lines, TEXT_NAMES)
        may_lack_a_value = self.volume is not None or not self.zero
        if may_lack_a_value and not any(
            all(_ALWAYS_KNOWN.issuperset(required(line.source(one))) for one in LANGUAGES)
            for line in self.text.resolved
        ):
            raise ValueError(
                "one line of 'text.resolved' must not need 'value': without a row, or as a share "
                "of nothing, there is none"
            )
        expected = {period.expect for test in self.tests for period in test.periods}
        for outcome in ("fires", "quiet"):
            if outcome not in expected:
                raise ValueError(f"the tests must show at least one period that '{outcome}'")
        failures = [failure for test in self.tests for failure in self.failures(test)]
        if failures:
            raise ValueError("; ".join(failures))
        return self

    def failures(self, test: RuleTest) -> list[str]:
        """Run one test; say each period that did something else than expected."""
        series, found = Series(), []
        for number, given in enumerate(test.periods):
            observation = Observation(
                date(2026, 1, 1) + timedelta(days=number),
                given.value,
                given.comparison,
                given.volume if given.volume is not None else given.value,
                "good" if given.complete else "incomplete",
                given.newest,
            )
            step = evaluate(self.condition.policy(), series, [observation])
            series = step.series
            outcome = {"fired": "fires", "resolved": "resolves", None: "quiet"}[step.kind]
            if outcome != given.expect:
                found.append(
                    f"test '{test.name}', period {number + 1}: expected '{given.expect}', "
                    f"but it is '{outcome}'"
                )
        return found


def load_rules(folders: Sequence[Path]) -> dict[str, Rule]:
    """Load the rules of the search path and run their tests; DeclarationError holds every fault."""
    return load_declarations(folders, Rule, noun="alert rule", id_field="rule")
