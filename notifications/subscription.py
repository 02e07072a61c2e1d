"""Subscriptions: which account gets which digest, and when.

`due_slots` is a pure function of the condition, two instants and the calendar.
"""

from __future__ import annotations

import calendar
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import Field, field_validator, model_validator
from sqlalchemy.engine import Connection

from cubes.label import Language
from notifications.audit import event, note, note_all
from notifications.declared import Declared
from notifications.schema import subscription

WorkingDay = Callable[[date], bool]


class TimeCondition(Declared):
    """Times of day on chosen days, in the operator's zone.

    `numbers` are ISO weekdays (1 Monday to 7) for `weekdays`; days of the month for `month_days`
    and ordinals of working days for `nth_working_day`, both counted from the month's end when
    negative. A month without the wanted day has no slot.
    """

    times: tuple[time, ...] = Field(min_length=1)
    days: Literal["daily", "working_days", "weekdays", "month_days", "nth_working_day"] = "daily"
    numbers: tuple[int, ...] = ()

    @field_validator("times")
    @classmethod
    def _sorted_minutes(cls, value: tuple[time, ...]) -> tuple[time, ...]:
        if any(moment.second or moment.microsecond or moment.tzinfo for moment in value):
            raise ValueError("times are local and whole minutes, like 08:30")
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _numbers_fit(self) -> TimeCondition:
        if self.days in ("daily", "working_days"):
            if self.numbers:
                raise ValueError(f"'{self.days}' takes no numbers")
            return self
        limit = 7 if self.days == "weekdays" else 31
        lowest = 1 if self.days == "weekdays" else -limit
        if not self.numbers:
            raise ValueError(f"'{self.days}' needs numbers")
        for number in self.numbers:
            if number == 0 or not lowest <= number <= limit:
                raise ValueError(f"{number} is not a number that '{self.days}' can have")
        return self


@dataclass(frozen=True)
class Subscription:
    """One account's wish for one digest. Slots after `planned_through` are not planned yet."""

    subscription_id: str
    account_id: str
    digest_id: str
    condition: TimeCondition
    language: Language
    deadline: timedelta
    planned_through: datetime


def due_slots(
    condition: TimeCondition,
    after: datetime,
    now: datetime,
    *,
    zone: ZoneInfo,
    is_working_day: WorkingDay,
) -> tuple[datetime, ...]:
    """Return the slots in (after, now], oldest first, as aware local datetimes."""
    slots: list[datetime] = []
    day = after.astimezone(zone).date()
    last = now.astimezone(zone).date()
    while day <= last:
        if _is_chosen(condition, day, is_working_day):
            for moment in condition.times:
                slot = datetime.combine(day, moment, tzinfo=zone)
                # Instants are compared in UTC: two datetimes of one zone compare by wall clock.
                if after.astimezone(UTC) < slot.astimezone(UTC) <= now.astimezone(UTC):
                    slots.append(slot)
        day += timedelta(days=1)
    return tuple(slots)


def _is_chosen(condition: TimeCondition, day: date, is_working_day: WorkingDay) -> bool:
    if condition.days == "daily":
        return True
    if condition.days == "working_days":
        return is_working_day(day)
    if condition.days == "weekdays":
        return day.isoweekday() in condition.numbers
    length = calendar.monthrange(day.year, day.month)[1]
    if condition.days == "month_days":
        return day.day in condition.numbers or day.day - length - 1 in condition.numbers
    if not is_working_day(day):
        return False
    ordinal = sum(is_working_day(day.replace(day=number)) for number in range(1, day.day + 1))
    rest = sum(is_working_day(day.replace(day=number)) for number in range(day.day, length + 1))
    return ordinal in condition.numbers or -rest in condition.numbers


def subscribe(
    connection: Connection,
    account_id: str,
    digest_id: str,
    condition: TimeCondition,
    *,
    now: datetime,
    language: Language = "zh",
    deadline: timedelta = timedelta(hours=2),
    starts_at: datetime | None = None,
    actor: str | None = None,
) -> str:
    """Subscribe an account to a digest, or change the terms it has; return the subscription's id.

    The first slot lies after `starts_at` (default `now`); changed terms leave what is planned as it
    is, unless a later `starts_at` says from when on they hold. `actor` is who asked for it (default
    the account itself). Repeating the same call changes nothing.
    """
    identity = _identity(account_id, digest_id)
    terms = _terms(condition, language, deadline)
    old = connection.execute(
        sa.select(subscription).where(subscription.c.subscription_id == identity)
    ).one_or_none()
    if old is not None and all(getattr(old, name) == value for name, value in terms.items()):
        return identity
    if old is None:
        connection.execute(
            subscription.insert().values(
                subscription_id=identity,
                account_id=account_id,
                digest_id=digest_id,
                planned_through=starts_at or now,
                created_at=now,
                **terms,
            )
        )
    else:
        if starts_at is not None:
            terms["planned_through"] = max(starts_at, old.planned_through)
        connection.execute(
            subscription.update().where(subscription.c.subscription_id == identity).values(**terms)
        )
    note(connection, "subscribed", account_id, now, actor=actor, digest=digest_id)
    return identity


def subscribe_all(
    connection: Connection,
    account_ids: Iterable[str],
    digest_id: str,
    condition: TimeCondition,
    *,
    now: datetime,
    actor: str,
    language: Language = "zh",
    deadline: timedelta = timedelta(hours=2),
    starts_at: datetime | None = None,
) -> int:
    """Give a digest to all accounts that never had it; return how many those are.

    Whoever has it, or has ended it, keeps the terms of their own.
    """
    query = sa.select(subscription.c.account_id).where(subscription.c.digest_id == digest_id)
    have: set[str] = set(connection.execute(query).scalars())
    new = sorted(set(account_ids) - have)
    if not new:
        return 0
    terms = _terms(condition, language, deadline)
    connection.execute(
        subscription.insert(),
        [
            {
                "subscription_id": _identity(account_id, digest_id),
                "account_id": account_id,
                "digest_id": digest_id,
                "planned_through": starts_at or now,
                "created_at": now,
                **terms,
            }
            for account_id in new
        ],
    )
    told = {"digest": digest_id}
    note_all(connection, [event("subscribed", one, now, actor, told) for one in new])
    return len(new)


def _identity(account_id: str, digest_id: str) -> str:
    return hashlib.sha256(f"{account_id}\x1f{digest_id}".encode()).hexdigest()[:24]


def _terms(condition: TimeCondition, language: Language, deadline: timedelta) -> dict[str, Any]:
    return {
        "condition": condition.model_dump(mode="json"),
        "language": language,
        "deadline_minutes": int(deadline.total_seconds() // 60),
        "is_active": True,
    }


def unsubscribe(
    connection: Connection, subscription_id: str, *, now: datetime, actor: str | None = None
) -> None:
    """End a subscription; slots that wait are dropped at the next tick."""
    row = connection.execute(
        sa.select(subscription).where(subscription.c.subscription_id == subscription_id)
    ).one()
    connection.execute(
        subscription.update()
        .where(subscription.c.subscription_id == subscription_id)
        .values(is_active=False)
    )
    note(connection, "unsubscribed", row.account_id, now, actor=actor, digest=row.digest_id)


def active_subscriptions(connection: Connection) -> tuple[Subscription, ...]:
    """Return every active subscription, in the order of its id."""
    query = (
        sa.select(subscription)
        .where(subscription.c.is_active)
        .order_by(subscription.c.subscription_id)
    )
    conditions: dict[str, TimeCondition] = {}
    found = []
    for row in connection.execute(query):
        condition = conditions.setdefault(
            str(row.condition), TimeCondition.model_validate(row.condition)
        )
        found.append(
            Subscription(
                row.subscription_id,
                row.account_id,
                row.digest_id,
                condition,
                row.language,
                timedelta(minutes=row.deadline_minutes),
                row.planned_through,
            )
        )
    return tuple(found)


def subscriptions_of(connection: Connection, account_id: str) -> dict[str, Subscription]:
    """Return the active subscriptions of one account by digest."""
    query = sa.select(subscription).where(
        subscription.c.is_active, subscription.c.account_id == account_id
    )
    return {
        row.digest_id: Subscription(
            row.subscription_id,
            row.account_id,
            row.digest_id,
            TimeCondition.model_validate(row.condition),
            row.language,
            timedelta(minutes=row.deadline_minutes),
            row.planned_through,
        )
        for row in connection.execute(query)
    }
