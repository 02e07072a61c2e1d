"""Thresholds: alert rules that a person makes for a figure of one unit, kept in the store.

Each becomes a rule as the declared ones are, with one series and one listener: the same state
machine decides, and the same backtest shows what it would have done.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from pydantic import Field, ValidationError
from sqlalchemy.engine import Connection, Row

from cubes.declaration import load_declarations
from cubes.label import Label
from notifications.alert.evaluation import observe_days
from notifications.alert.rule import (
    AlertText,
    Audience,
    Condition,
    GivenPeriod,
    Rule,
    RuleTest,
)
from notifications.alert.state import Observation, Series, evaluate
from notifications.audit import note
from notifications.declared import Declared
from notifications.errors import ThresholdError
from notifications.publication import Freshness, Publication
from notifications.schema import alert_state, threshold
from notifications.template import Line

Direction = Literal["above", "below"]
MOST = 50
"""How many thresholds one account may have."""

HISTORY = 90
"""How many days a trial on history looks back."""


class ThresholdFigure(Declared):
    """A figure that may have a threshold.

    `day` names the time dimension of daily figures; without it the query answers for its business
    date. `history` says how the past is read: `days` from one query, `dates` by asking for each
    business date, `none` where only the present is known. `volume` counts what the figure is made
    of; below `minimum_volume` nothing is judged.
    """

    figure: str
    label: Label
    description: Label
    query: str
    measure: str
    volume: str
    minimum_volume: Decimal = Decimal(0)
    day: str | None = None
    zero: bool = False
    history: Literal["days", "dates", "none"]
    freshness: Freshness
    format: Literal["number", "money", "percent"]
    direction: Direction
    explained_by: str | None = None
    order: int = Field(default=100, ge=0)


def load_figures(folders: Sequence[Path]) -> dict[str, ThresholdFigure]:
    """Load the figures of the search path in their order; DeclarationError holds every fault."""
    found = load_declarations(folders, ThresholdFigure, noun="threshold", id_field="figure")
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))


@dataclass(frozen=True)
class Threshold:
    """One threshold of an account; `recover` defaults to the limit itself.

    `evaluated` is the tag of the snapshot that it was evaluated on last.
    """

    threshold_id: str
    account_id: str
    figure: str
    unit_id: str
    direction: Direction
    limit: Decimal
    recover: Decimal | None
    is_enabled: bool = True
    evaluated: str | None = field(default=None, compare=False)

    @property
    def rule_id(self) -> str:
        """The id its state and events are kept under."""
        return f"threshold-{self.threshold_id}"


def rule_of(one: Threshold, figure: ThresholdFigure, level: int) -> Rule:
    """The rule of a threshold whose unit is at an org level (0: the whole).

    Raises ThresholdError if limit and recovery do not fit each other.
    """
    recover = one.limit if one.recover is None else one.recover
    is_above = one.direction == "above"
    size = figure.minimum_volume + 1
    beyond = one.limit + (1 if is_above else -1)
    try:
        condition = Condition(
            above=one.limit if is_above else None,
            below=None if is_above else one.limit,
            recover=recover,
            minimum_volume=figure.minimum_volume,
        )
        return Rule(
            rule=one.rule_id,
            label=figure.label,
            query=figure.query,
            measure=figure.measure,
            volume=figure.volume,
            day=figure.day,
            zero=figure.zero,
            levels=(level,),
            freshness=figure.freshness,
            condition=condition,
            severity="warning",
            audience=Audience(ancestors=0),
            explained_by=figure.explained_by,
            text=_text(figure, is_above=is_above),
            segments=2,
            tests=(
                RuleTest(
                    name="on the limit it is quiet, beyond it fires",
                    periods=(
                        GivenPeriod(value=one.limit, volume=size, expect="quiet"),
                        GivenPeriod(value=beyond, volume=size, expect="fires"),
                    ),
                ),
            ),
        )
    except ValidationError as error:
        raise ThresholdError(
            f"Making a rule of threshold {one.threshold_id} failed: {error.errors()[0]['msg']}. "
            "Trying again does not help; correct the limit or the recovery value."
        ) from error


def _text(figure: ThresholdFigure, *, is_above: bool) -> AlertText:
    zh, en, shown = figure.label.zh, figure.label.en, figure.format
    fired = Line(
        priority=1,
        zh=f"预警：{{{{ unit }}}}{{{{ period|day }}}}{zh}{{{{ value|{shown} }}}}，"
        f"{'高' if is_above else '低'}于您设的{{{{ threshold|{shown} }}}}",
        en=f"ALERT {{{{ unit }}}} {{{{ period|day }}}}: {en} {{{{ value|{shown} }}}}, "
        f"{'above' if is_above else 'below'} your limit {{{{ threshold|{shown} }}}}",
    )
    mover = Line(
        priority=2,
        zh=f"主要来自：{{{{ contributor }}}}{{{{ contributor_value|{shown} }}}}",
        en=f"Mostly {{{{ contributor }}}}: {{{{ contributor_value|{shown} }}}}",
    )
    resolved = Line(
        priority=1,
        zh="解除：{{ unit }}{{ period|day }}"
        f"{{% if value is not none %}}{zh}{{{{ value|{shown} }}}}"
        f"{{% else %}}{zh}不再判定{{% endif %}}"
        f"（您设的界限{{{{ threshold|{shown} }}}}）",
        en="OVER {{ unit }} {{ period|day }}: "
        f"{{% if value is not none %}}{en} {{{{ value|{shown} }}}}"
        f"{{% else %}}{en} no longer judged{{% endif %}}"
        f" (your limit {{{{ threshold|{shown} }}}})",
    )
    return AlertText(
        fired=(fired, mover) if figure.explained_by else (fired,), resolved=(resolved,)
    )


@dataclass(frozen=True)
class Trial:
    """What a threshold would have done: days it would have fired, values of all decided days.

    `days` is how many days could be judged; one or none where the past is not known.
    """

    fired: tuple[tuple[date, Decimal], ...]
    values: tuple[tuple[date, Decimal | None], ...]
    first: date | None
    last: date | None

    @property
    def days(self) -> int:
        """How many days were judged."""
        return len(self.values)


def backtest(
    one: Threshold, figure: ThresholdFigure, publication: Publication, *, days: int = HISTORY
) -> Trial:
    """Run a threshold over the last days of a snapshot; it never sends and stores nothing.

    Raises ThresholdError, FigureError and QueryError.
    """
    rule = rule_of(one, figure, publication.org.level(one.unit_id) or 0)
    seen = observations(rule, figure, publication, one.unit_id, days=days)
    series, fired, values = Series(), [], []
    for observation in seen:
        step = evaluate(rule.condition.policy(), series, [observation])
        series = step.series
        if observation.can_be_decided:
            values.append((observation.period, observation.value))
        if step.kind == "fired" and observation.value is not None:
            fired.append((observation.period, observation.value))
    judged = [day for day, _ in values]
    return Trial(
        tuple(fired), tuple(values), judged[0] if judged else None, judged[-1] if judged else None
    )


def observations(
    rule: Rule,
    figure: ThresholdFigure,
    publication: Publication,
    unit_id: str,
    *,
    days: int = HISTORY,
) -> list[Observation]:
    """The observations of one unit for the complete days up to the newest, oldest first."""
    newest = publication.newest_complete(rule.freshness, publication.business_date)
    if newest is None or (figure.history == "none" and newest != publication.business_date):
        return []
    count = 1 if figure.history == "none" else days
    wanted = [
        day
        for day in (newest - timedelta(days=back) for back in range(count - 1, -1, -1))
        if publication.is_complete(rule.freshness, day)
    ]
    return observe_days(rule, publication, unit_id, wanted, in_one_answer=figure.history == "days")


def thresholds_of(connection: Connection, account_id: str) -> list[Threshold]:
    """The thresholds of an account, oldest first."""
    query = sa.select(threshold).where(threshold.c.account_id == account_id)
    return [
        _read(row)
        for row in connection.execute(
            query.order_by(threshold.c.created_at, threshold.c.threshold_id)
        )
    ]


def enabled_thresholds(connection: Connection) -> list[Threshold]:
    """Every threshold that is switched on, in the order of its id."""
    query = sa.select(threshold).where(threshold.c.is_enabled).order_by(threshold.c.threshold_id)
    return [_read(row) for row in connection.execute(query)]


def _read(row: Row[tuple[object, ...]]) -> Threshold:
    return Threshold(
        row.threshold_id,
        row.account_id,
        row.figure,
        row.unit_id,
        row.direction,
        Decimal(row.limit_value),
        None if row.recover_value is None else Decimal(row.recover_value),
        row.is_enabled,
        row.evaluated_snapshot,
    )


def new_id() -> str:
    """An id for a threshold that is being made."""
    return secrets.token_hex(8)


def add_threshold(connection: Connection, one: Threshold, now: datetime) -> None:
    """Store a new threshold, unless the account has the same one already.

    Raises ThresholdError when the account has too many.
    """
    own = thresholds_of(connection, one.account_id)
    if any(replace(other, threshold_id=one.threshold_id) == one for other in own):
        return
    if len(own) >= MOST:
        raise ThresholdError(
            f"Saving a threshold failed: the account has {MOST} already. Delete one and try again."
        )
    connection.execute(
        threshold.insert().values(
            threshold_id=one.threshold_id,
            account_id=one.account_id,
            figure=one.figure,
            unit_id=one.unit_id,
            direction=one.direction,
            limit_value=str(one.limit),
            recover_value=None if one.recover is None else str(one.recover),
            is_enabled=one.is_enabled,
            created_at=now,
            updated_at=now,
        )
    )
    note(connection, "threshold_added", one.account_id, now, **_detail(one))


def switch_threshold(
    connection: Connection, account_id: str, threshold_id: str, now: datetime, *, on: bool
) -> bool:
    """Switch a threshold of the account on or off; False if it has no such one."""
    one = _own(connection, account_id, threshold_id)
    if one is None:
        return False
    connection.execute(
        threshold.update()
        .where(threshold.c.threshold_id == threshold_id)
        .values(is_enabled=on, updated_at=now, evaluated_snapshot=None)
    )
    _forget(connection, one)
    action = "threshold_enabled" if on else "threshold_disabled"
    note(connection, action, account_id, now, **_detail(one))
    return True


def delete_threshold(
    connection: Connection, account_id: str, threshold_id: str, now: datetime
) -> bool:
    """Delete a threshold of the account; False if it has no such one."""
    one = _own(connection, account_id, threshold_id)
    if one is None:
        return False
    connection.execute(threshold.delete().where(threshold.c.threshold_id == threshold_id))
    _forget(connection, one)
    note(connection, "threshold_deleted", account_id, now, **_detail(one))
    return True


def mark_evaluated(connection: Connection, threshold_id: str, tag: str) -> None:
    """Remember the snapshot that a threshold was evaluated on."""
    connection.execute(
        threshold.update()
        .where(threshold.c.threshold_id == threshold_id)
        .values(evaluated_snapshot=tag)
    )


def _own(connection: Connection, account_id: str, threshold_id: str) -> Threshold | None:
    row = connection.execute(
        sa.select(threshold).where(
            threshold.c.threshold_id == threshold_id, threshold.c.account_id == account_id
        )
    ).one_or_none()
    return None if row is None else _read(row)


def _forget(connection: Connection, one: Threshold) -> None:
    """Begin anew when it is switched on again: what was firing before is no longer known."""
    connection.execute(alert_state.delete().where(alert_state.c.rule_id == one.rule_id))


def _detail(one: Threshold) -> Mapping[str, str]:
    return {
        "figure": one.figure,
        "unit": one.unit_id,
        "direction": one.direction,
        "limit": str(one.limit),
    }
