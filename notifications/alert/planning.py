"""Turning evaluations into events and messages: state, event and messages in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cubes.label import Language
from notifications.account import WHOLE, Recipient
from notifications.alert.evaluation import (
    Moved,
    moved_by,
    observe,
    observe_unit,
    periods,
    text_values,
)
from notifications.alert.rule import Rule
from notifications.alert.state import Observation, Position, Series, Step, evaluate
from notifications.outbox import NewMessage, enqueue
from notifications.publication import SNAPSHOT, Publication
from notifications.schema import alert_event, alert_state
from notifications.sms import fit
from notifications.store import insert_missing, reading
from notifications.template import render_lines

_ALERT_PRIORITY = 1


@dataclass(frozen=True)
class Audiences:
    """Who can be told, in which language, and with which signature the text begins."""

    recipients: Mapping[str, Recipient]
    languages: Mapping[str, Language]
    default_language: Language
    signatures: Mapping[Language, str]

    def of_units(self, units: Sequence[str], role: str | None = None) -> list[Recipient]:
        """Recipients responsible for any of the units, each once, in the order of accounts.

        With `role` only those who are so in that role.
        """
        wanted = set(units)
        return [one for one in self.recipients.values() if one.units_of(role) & wanted]


@dataclass(frozen=True)
class Watch:
    """The one series and the one listener of a rule that a person made.

    `settle` is called in the transaction that stores the evaluation.
    """

    unit_id: str
    account_id: str
    settle: Callable[[Connection], None]


@dataclass(frozen=True)
class AlertOutcome:
    """What happened to one rule: events made, messages added, and reasons by number of series."""

    rule: str
    events: tuple[str, ...]
    messages: int
    reasons: Mapping[str, int]


def plan_alerts(
    engine: Engine,
    rule: Rule,
    publication: Publication,
    audiences: Audiences,
    now: datetime,
    *,
    watch: Watch | None = None,
) -> AlertOutcome:
    """Evaluate a rule and store what follows. Figures are read before the write lock is taken.

    With `watch` only that unit is a series, and only that account is told.
    """
    if rule.freshness != SNAPSHOT and not publication.needed(rule.freshness):
        return AlertOutcome(rule.rule, (), 0, {"source_not_here": 1})
    with reading(engine) as connection:
        known = _load(connection, rule.rule)
    last = max((series.period for series in known.values() if series.period), default=None)
    days = periods(rule, publication, last)
    if not days:
        return AlertOutcome(rule.rule, (), 0, {"no_complete_period": 1})
    observations: dict[str, list[Observation]] = defaultdict(list)
    for day in days:
        found = (
            observe(rule, publication, day, known)
            if watch is None
            else observe_unit(rule, publication, day, watch.unit_id)
        )
        for unit_id, observation in found.items():
            observations[unit_id].append(observation)
    if days[-1] < publication.business_date:
        for unit_id, seen in observations.items():
            observations[unit_id] = [
                *seen,
                Observation(publication.business_date, None, health="incomplete"),
            ]
    movers: dict[str, Moved] = {
        unit_id: moved_by(rule, publication, days[-1], unit_id)
        for unit_id, seen in observations.items()
        if _evaluate(rule, known.get(unit_id), seen).kind == "fired"
    }
    with engine.begin() as connection:
        return _store(connection, rule, publication, audiences, observations, movers, now, watch)


def _evaluate(rule: Rule, series: Series | None, seen: Sequence[Observation]) -> Step:
    return evaluate(rule.condition.policy(), series or Series(), seen)


def _store(
    connection: Connection,
    rule: Rule,
    publication: Publication,
    audiences: Audiences,
    observations: Mapping[str, Sequence[Observation]],
    movers: Mapping[str, Moved],
    now: datetime,
    watch: Watch | None,
) -> AlertOutcome:
    known = _load(connection, rule.rule)
    reasons: dict[str, int] = defaultdict(int)
    events: list[dict[str, Any]] = []
    messages: list[NewMessage] = []
    for unit_id, seen in observations.items():
        old = known.get(unit_id)
        step = _evaluate(rule, old, seen)
        reasons[step.reason] += 1
        if step.series != old:
            _save(connection, rule.rule, unit_id, step.series, now, is_new=old is None)
        if step.kind is None:
            continue
        good = [one for one in seen if one.can_be_decided][-1]
        key = f"{rule.rule}:{unit_id}:{step.firing_id}:{step.kind}"
        if step.number > 1:
            key = f"{key}:{step.number}"
        moved = movers.get(unit_id, Moved())
        told = _messages(rule, publication, audiences, step, key, unit_id, good, moved, now, watch)
        reasons["told" if told else "nobody_to_tell"] += 1
        messages += told
        events.append(
            {
                "event_key": key,
                "rule_id": rule.rule,
                "unit_id": unit_id,
                "firing_id": step.firing_id,
                "kind": step.kind,
                "period": good.period.isoformat(),
                "severity": rule.severity,
                "figures": _figures(rule, good, publication, unit_id, moved),
                "recipients": len(told),
                "snapshot": publication.tag,
                "created_at": now,
            }
        )
    if watch is not None:
        watch.settle(connection)
    if events:
        insert_missing(connection, alert_event, events, ["event_key"])
    added = enqueue(connection, messages, now)
    return AlertOutcome(
        rule.rule,
        tuple(event["event_key"] for event in events),
        added,
        dict(sorted(reasons.items())),
    )


def _messages(
    rule: Rule,
    publication: Publication,
    audiences: Audiences,
    step: Step,
    key: str,
    unit_id: str,
    observation: Observation,
    moved: Moved,
    now: datetime,
    watch: Watch | None,
) -> list[NewMessage]:
    made = []
    told = (
        audiences.of_units(_audience_units(rule, publication, unit_id), rule.audience.role)
        if watch is None
        else [audiences.recipients[watch.account_id]]
    )
    for one in told:
        language = audiences.languages.get(one.account_id, audiences.default_language)
        values = text_values(rule, observation, publication, unit_id, moved, language)
        lines = rule.text.fired if step.kind == "fired" else rule.text.resolved
        rendered = render_lines(lines, values, language, publication.currency)
        made.append(
            NewMessage(
                dedupe_key=f"{key}:{one.contact_id}",
                kind="alert",
                subject_id=rule.rule,
                account_id=one.account_id,
                contact_id=one.contact_id,
                language=language,
                body=fit(audiences.signatures[language], rendered, rule.segments),
                figures={
                    "event": key,
                    **_figures(rule, observation, publication, unit_id, moved, language),
                },
                snapshot=publication.tag,
                due_at=now,
                expires_at=now + timedelta(hours=rule.expires_after_hours),
                priority=_ALERT_PRIORITY,
            )
        )
    return made


def _audience_units(rule: Rule, publication: Publication, unit_id: str) -> list[str]:
    if unit_id == WHOLE:
        return sorted(publication.whole_units)
    org = publication.org
    path = org.upwards(unit_id)
    above = path[1 : 1 + rule.audience.ancestors]
    lowest = rule.audience.up_to_level
    return [unit_id, *(unit for unit in above if (org.level(unit) or 0) >= lowest)]


def _figures(
    rule: Rule,
    observation: Observation,
    publication: Publication,
    unit_id: str,
    moved: Moved,
    language: Language = "zh",
) -> dict[str, Any]:
    values = text_values(rule, observation, publication, unit_id, moved, language)
    return {name: None if value is None else str(value) for name, value in values.items()}


def _load(connection: Connection, rule_id: str) -> dict[str, Series]:
    found = {}
    for row in connection.execute(sa.select(alert_state).where(alert_state.c.rule_id == rule_id)):
        extra = row.before_period or {}
        found[row.unit_id] = Series(
            position=Position(row.state, row.streak, row.firing_id),
            health=row.health,
            period=None if row.period is None else date.fromisoformat(row.period),
            fingerprint=row.fingerprint,
            before=Position(**extra["before"]) if "before" in extra else Position(),
            told=row.told,
            told_firing_id=extra.get("told_firing_id"),
            told_newest=Decimal(extra["told_newest"]) if "told_newest" in extra else None,
        )
    return found


def _save(
    connection: Connection,
    rule_id: str,
    unit_id: str,
    series: Series,
    now: datetime,
    *,
    is_new: bool,
) -> None:
    columns = {
        "state": series.position.state,
        "streak": series.position.streak,
        "firing_id": series.position.firing_id,
        "told": series.told,
        "health": series.health,
        "period": None if series.period is None else series.period.isoformat(),
        "fingerprint": series.fingerprint,
        "before_period": series.to_json(),
        "updated_at": now,
    }
    if is_new:
        connection.execute(alert_state.insert().values(rule_id=rule_id, unit_id=unit_id, **columns))
    else:
        connection.execute(
            alert_state.update()
            .where(alert_state.c.rule_id == rule_id, alert_state.c.unit_id == unit_id)
            .values(**columns)
        )
