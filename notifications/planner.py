"""The planner: decides everything that time or new data makes due, and only inserts.

`tick` may be called at any moment and any number of times: every row it adds has a unique key, so
calling it again with the same clock and snapshot adds nothing. It never sends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from cubes.errors import CubeError
from cubes.label import Language
from notifications.account import WHOLE, Recipient, recipients
from notifications.alert.planning import AlertOutcome, Audiences, Watch, plan_alerts
from notifications.alert.rule import Rule
from notifications.digest import Digest, DigestText, UnitFigures, collect, write_text
from notifications.errors import NotificationError
from notifications.outbox import NewMessage, enqueue, message_id
from notifications.publication import Publication
from notifications.schema import digest_run, subscription
from notifications.store import insert_missing, reading
from notifications.subscription import Subscription, active_subscriptions, due_slots
from notifications.threshold import (
    Threshold,
    ThresholdFigure,
    enabled_thresholds,
    mark_evaluated,
    rule_of,
)

Decision = Literal[
    "queued",
    "queued_with_stamp",
    "waiting_for_data",
    "merged_into_newer_slot",
    "data_missing_at_deadline",
    "no_complete_data",
    "source_not_here",
    "nothing_to_tell",
    "unit_unknown",
    "no_recipient",
    "unknown_digest",
    "figures_failed",
]

_STATES: Mapping[Decision, str] = {
    "queued": "sent",
    "queued_with_stamp": "sent",
    "waiting_for_data": "waiting",
    "figures_failed": "waiting",
}


@dataclass(frozen=True)
class DigestOutcome:
    """What was decided about one slot of one subscription."""

    subscription_id: str
    account_id: str
    digest_id: str
    slot_at: datetime
    reason: Decision
    business_date: date | None = None
    message_id: str | None = None


@dataclass(frozen=True)
class TickReport:
    """Everything a tick decided, with the reason for what was not sent.

    `errors` are messages of digests and rules whose figures could not be had; they do not stop the
    others, and are tried again at the next tick.
    """

    snapshot: str
    digests: tuple[DigestOutcome, ...]
    alerts: tuple[AlertOutcome, ...]
    messages_added: int
    errors: tuple[str, ...] = ()

    def reasons(self) -> dict[str, int]:
        """How many digest slots were decided for which reason."""
        counted: dict[str, int] = defaultdict(int)
        for outcome in self.digests:
            counted[outcome.reason] += 1
        return dict(sorted(counted.items()))


def tick(
    now: datetime,
    publication: Publication,
    engine: Engine,
    *,
    digests: Mapping[str, Digest],
    rules: Mapping[str, Rule],
    signatures: Mapping[Language, str],
    default_language: Language = "zh",
    figures: Mapping[str, ThresholdFigure] | None = None,
) -> TickReport:
    """Plan all digests and alerts that are due at `now` on one snapshot.

    Thresholds that people made on `figures` are evaluated after the declared rules, each for its
    own account. None of them stops another one.

    A slot tells the day before its own local date. If that day is not complete the slot waits
    until its subscription's deadline; then the digest's policy decides.
    """
    with reading(engine) as connection:
        people = recipients(connection)
        wishes = active_subscriptions(connection)
        waiting = _waiting(connection)
        thresholds = enabled_thresholds(connection)
    languages: dict[str, Language] = {}
    for wish in wishes:
        languages.setdefault(wish.account_id, wish.language)
    errors: list[str] = []
    outcomes, messages, planned = _plan_digests(
        now, publication, digests, signatures, wishes, waiting, people, errors
    )
    added = 0
    if outcomes:
        with engine.begin() as connection:
            added = _store(connection, outcomes, messages, planned, publication, now)
    audiences = Audiences(people, languages, default_language, signatures)
    alerts: list[AlertOutcome] = []
    for rule_id, rule in sorted(rules.items()):
        try:
            alerts.append(plan_alerts(engine, rule, publication, audiences, now))
        except (NotificationError, CubeError) as error:
            alerts.append(AlertOutcome(rule_id, (), 0, {"figures_failed": 1}))
            errors.append(f"Alert rule '{rule_id}': {error}")
    for one in thresholds:
        try:
            alerts.append(_watch(engine, one, figures or {}, publication, audiences, now))
        except (NotificationError, CubeError) as error:
            alerts.append(AlertOutcome(one.rule_id, (), 0, {"figures_failed": 1}))
            errors.append(f"Threshold '{one.rule_id}': {error}")
    return TickReport(
        publication.tag,
        tuple(outcomes),
        tuple(alerts),
        added + sum(one.messages for one in alerts),
        tuple(errors),
    )


def _watch(
    engine: Engine,
    one: Threshold,
    figures: Mapping[str, ThresholdFigure],
    publication: Publication,
    audiences: Audiences,
    now: datetime,
) -> AlertOutcome:
    """Evaluate one threshold, unless its owner may no longer see the unit.

    A snapshot never changes, so each is asked once: the next tick on it finds nothing new.
    """
    person = audiences.recipients.get(one.account_id)
    figure = figures.get(one.figure)
    level = publication.org.level(one.unit_id)
    if person is None:
        return AlertOutcome(one.rule_id, (), 0, {"no_recipient": 1})
    if figure is None:
        return AlertOutcome(one.rule_id, (), 0, {"unknown_figure": 1})
    if level is None or not publication.org.is_within(one.unit_id, person.units):
        return AlertOutcome(one.rule_id, (), 0, {"outside_jurisdiction": 1})
    if one.evaluated == publication.tag:
        return AlertOutcome(one.rule_id, (), 0, {"evaluated_before": 1})
    rule = rule_of(one, figure, level)

    def settle(connection: Connection) -> None:
        mark_evaluated(connection, one.threshold_id, publication.tag)

    watch = Watch(one.unit_id, one.account_id, settle)
    return plan_alerts(engine, rule, publication, audiences, now, watch=watch)


def _waiting(connection: Connection) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = defaultdict(list)
    query = sa.select(digest_run.c.subscription_id, digest_run.c.slot_at).where(
        digest_run.c.state == "waiting"
    )
    for row in connection.execute(query.order_by(digest_run.c.slot_at)):
        found[row.subscription_id].append(row.slot_at)
    return found


def _plan_digests(
    now: datetime,
    publication: Publication,
    digests: Mapping[str, Digest],
    signatures: Mapping[Language, str],
    wishes: Sequence[Subscription],
    waiting: Mapping[str, Sequence[datetime]],
    people: Mapping[str, Recipient],
    errors: list[str],
) -> tuple[list[DigestOutcome], dict[str, NewMessage], dict[str, datetime]]:
    outcomes: list[DigestOutcome] = []
    planned: dict[str, datetime] = {}
    ready: list[tuple[Subscription, DigestOutcome]] = []
    active = {wish.subscription_id for wish in wishes}
    for gone in sorted(set(waiting) - active):
        outcomes += [DigestOutcome(gone, "", "", slot, "no_recipient") for slot in waiting[gone]]
    for wish in wishes:
        fresh = due_slots(
            wish.condition,
            wish.planned_through,
            now,
            zone=publication.zone,
            is_working_day=publication.is_working_day,
        )
        slots = sorted(
            {*waiting.get(wish.subscription_id, ()), *(s.astimezone(UTC) for s in fresh)}
        )
        if fresh:
            planned[wish.subscription_id] = fresh[-1].astimezone(UTC)
        for slot in slots:
            outcome = DigestOutcome(
                wish.subscription_id, wish.account_id, wish.digest_id, slot, "queued"
            )
            if slot != slots[-1]:
                outcomes.append(replace(outcome, reason="merged_into_newer_slot"))
                continue
            outcome = _decide(outcome, wish, now, publication, digests, people)
            if outcome.reason in ("queued", "queued_with_stamp"):
                ready.append((wish, outcome))
            else:
                outcomes.append(outcome)
    groups: dict[tuple[str, date], list[tuple[Subscription, DigestOutcome]]] = defaultdict(list)
    for wish, outcome in ready:
        assert outcome.business_date is not None
        groups[wish.digest_id, outcome.business_date].append((wish, outcome))
    messages: dict[str, NewMessage] = {}
    for (digest_id, day), members in sorted(groups.items()):
        digest = digests[digest_id]
        try:
            written, new = _write(now, publication, digest, day, signatures, people, members)
        except (NotificationError, CubeError) as error:
            errors.append(f"Digest '{digest_id}' of {day}: {error}")
            outcomes += [replace(one, reason="figures_failed") for _, one in members]
            continue
        outcomes += written
        messages |= new
    return outcomes, messages, planned


def expected_date(slot: datetime, publication: Publication) -> date:
    """The business date a slot tells: the day before its local date."""
    return slot.astimezone(publication.zone).date() - timedelta(days=1)


def _decide(
    outcome: DigestOutcome,
    wish: Subscription,
    now: datetime,
    publication: Publication,
    digests: Mapping[str, Digest],
    people: Mapping[str, Recipient],
) -> DigestOutcome:
    digest = digests.get(wish.digest_id)
    if digest is None:
        return replace(outcome, reason="unknown_digest")
    if wish.account_id not in people:
        return replace(outcome, reason="no_recipient")
    if not publication.needed(digest.freshness):
        return replace(outcome, reason="source_not_here")
    expected = expected_date(outcome.slot_at, publication)
    if publication.is_complete(digest.freshness, expected):
        return replace(outcome, business_date=expected)
    if now < outcome.slot_at + wish.deadline:
        return replace(outcome, reason="waiting_for_data")
    if digest.deadline == "skip":
        return replace(outcome, reason="data_missing_at_deadline")
    newest = publication.newest_complete(digest.freshness, expected)
    if newest is None:
        return replace(outcome, reason="no_complete_data")
    return replace(outcome, reason="queued_with_stamp", business_date=newest)


def _write(
    now: datetime,
    publication: Publication,
    digest: Digest,
    business_date: date,
    signatures: Mapping[Language, str],
    people: Mapping[str, Recipient],
    members: Sequence[tuple[Subscription, DigestOutcome]],
) -> tuple[list[DigestOutcome], dict[str, NewMessage]]:
    """Write one digest for all its recipients of a business date."""
    outcomes: list[DigestOutcome] = []
    messages: dict[str, NewMessage] = {}
    units = {wish.account_id: _units(people[wish.account_id]) for wish, _ in members}
    figures = collect(digest, set(units.values()), publication, business_date)
    texts: dict[tuple[Any, ...], DigestText] = {}
    for wish, outcome in members:
        own = units[wish.account_id]
        found = figures.get(own)
        reason = _unsaid(digest, found)
        if found is None or reason is not None:
            outcomes.append(replace(outcome, reason=reason or "unit_unknown"))
            continue
        expected = expected_date(outcome.slot_at, publication)
        known = (own, wish.language, expected)
        if known not in texts:
            texts[known] = write_text(
                digest,
                own,
                found,
                publication,
                business_date=business_date,
                expected_date=expected,
                language=wish.language,
                signature=signatures[wish.language],
            )
        key = _key(wish, outcome, publication)
        outcomes.append(replace(outcome, message_id=message_id(key)))
        messages[message_id(key)] = NewMessage(
            dedupe_key=key,
            kind="digest",
            subject_id=digest.digest,
            account_id=wish.account_id,
            contact_id=people[wish.account_id].contact_id,
            language=wish.language,
            body=texts[known].body,
            figures=texts[known].figures,
            snapshot=publication.tag,
            due_at=now,
            expires_at=now + timedelta(hours=digest.expires_after_hours),
        )
    return outcomes, messages


def _units(person: Recipient) -> frozenset[str]:
    return frozenset({WHOLE}) if WHOLE in person.units else person.units


def _unsaid(digest: Digest, figures: UnitFigures | None) -> Decision | None:
    if figures is None:
        return "unit_unknown"
    return "nothing_to_tell" if figures.is_empty and digest.empty == "skip" else None


def _key(wish: Subscription, outcome: DigestOutcome, publication: Publication) -> str:
    slot = _slot(outcome.slot_at, publication)
    return f"digest:{wish.subscription_id}:{outcome.business_date}:{slot}:0"


def _slot(slot_at: datetime, publication: Publication) -> str:
    return slot_at.astimezone(publication.zone).strftime("%Y%m%dT%H%M")


def _store(
    connection: Connection,
    outcomes: Sequence[DigestOutcome],
    messages: Mapping[str, NewMessage],
    planned: Mapping[str, datetime],
    publication: Publication,
    now: datetime,
) -> int:
    """Store the decisions; a slot that another tick has decided meanwhile stays as it is."""
    query = sa.select(digest_run.c.subscription_id, digest_run.c.slot_at, digest_run.c.state).where(
        digest_run.c.slot_at >= min(outcome.slot_at for outcome in outcomes)
    )
    present = {(row.subscription_id, row.slot_at): row.state for row in connection.execute(query)}
    fresh, wanted = [], []
    for outcome in outcomes:
        before = present.get((outcome.subscription_id, outcome.slot_at))
        if before not in (None, "waiting"):
            continue
        columns = {
            "slot": _slot(outcome.slot_at, publication),
            "expected_date": expected_date(outcome.slot_at, publication).isoformat(),
            "business_date": outcome.business_date and outcome.business_date.isoformat(),
            "state": _STATES.get(outcome.reason, "skipped"),
            "reason": outcome.reason,
            "snapshot": publication.tag,
            "decided_at": now,
        }
        if before is None:
            fresh.append(
                {
                    "subscription_id": outcome.subscription_id,
                    "slot_at": outcome.slot_at,
                    "revision": 0,
                    **columns,
                }
            )
        elif columns["state"] != "waiting":
            connection.execute(
                digest_run.update()
                .where(
                    digest_run.c.subscription_id == outcome.subscription_id,
                    digest_run.c.slot_at == outcome.slot_at,
                    digest_run.c.revision == 0,
                )
                .values(**columns)
            )
        if outcome.message_id is not None:
            wanted.append(messages[outcome.message_id])
    if fresh:
        insert_missing(connection, digest_run, fresh, ["subscription_id", "slot_at", "revision"])
    if planned:
        connection.execute(
            subscription.update()
            .where(
                subscription.c.subscription_id == sa.bindparam("identity"),
                subscription.c.planned_through < sa.bindparam("until"),
            )
            .values(planned_through=sa.bindparam("until")),
            [{"identity": name, "until": until} for name, until in planned.items()],
        )
    return enqueue(connection, wanted, now)
