"""The promise: by when a case shall be resolved, counted as the warehouse will count it.

The rule is that of int_feedback__case_due: the end (24:00 local) of the n-th working day strictly
after the local day of creation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Policy:
    """The rule of resolution: so many working days."""

    policy_id: str
    name: Mapping[str, str]
    working_days: int


@dataclass(frozen=True)
class WorkingDays:
    """The working days of one calendar in order; it reaches from `first` to `last`."""

    days: Sequence[date]
    first: date
    last: date
    provisional_years: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Promise:
    """What a reporter is told: a due time with its policy, or a reason why there is none.

    `due_on` is the last local day; `reason` is the key of a word, None when there is a due time.
    """

    due_at: datetime | None
    due_on: date | None
    policy: Policy | None
    is_provisional: bool
    reason: str | None

    def told(self) -> dict[str, Any]:
        """The promise as it is kept beside the submission, to be told again."""
        if self.policy is None or self.due_on is None:
            return {"reason": self.reason}
        return {
            "policy_id": self.policy.policy_id,
            "name": dict(self.policy.name),
            "due_on": self.due_on.isoformat(),
            "is_provisional": self.is_provisional,
        }


def no_promise(reason: str) -> Promise:
    """No due time, with the key of the word that says why."""
    return Promise(None, None, None, False, reason)


def promise_for(
    created_at: datetime, policy: Policy | None, calendar: WorkingDays | None, zone: str
) -> Promise:
    """The promise for a matter raised at `created_at` (aware), in the zone of the intake."""
    if policy is None or calendar is None:
        return no_promise("promise.not_published")
    start_on = created_at.astimezone(ZoneInfo(zone)).date()
    place = bisect_right(calendar.days, start_on) + policy.working_days - 1
    reached = calendar.first <= start_on <= calendar.last and 0 <= place < len(calendar.days)
    if not reached:
        return no_promise("promise.calendar_ends")
    due_on = calendar.days[place]
    end = datetime.combine(due_on + timedelta(days=1), time(0), ZoneInfo(zone))
    return Promise(
        end.astimezone(UTC), due_on, policy, due_on.year in calendar.provisional_years, None
    )
