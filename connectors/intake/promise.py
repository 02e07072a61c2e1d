"""The promise: by when a case shall be resolved, counted as the warehouse will count it.

The policy is the first whose conditions the matter meets when it is raised, and the due time is
that of its resolution clock before anything happens: the rules of int_sla__policy_match and
int_sla__segment_due.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cubes.errors import WorkingTimeError
from cubes.local_clock import micros_of
from cubes.sla_policy import CaseAttributes, SlaPolicy, first_match
from cubes.working_calendar import WorkingCalendar
from cubes.working_time import DayLimit, due

CLOCK = "resolution"


@dataclass(frozen=True)
class Promise:
    """What a reporter is told: a due time with its policy, or a reason why there is none.

    `due_on` is the last local day where the time is the end of one; `reason` is the key of a word,
    None when there is a due time.
    """

    due_at: datetime | None
    due_on: date | None
    policy: SlaPolicy | None
    is_provisional: bool
    reason: str | None

    def told(self) -> dict[str, Any]:
        """The promise as it is kept beside the submission, to be told again."""
        if self.policy is None:
            return {"reason": self.reason}
        return {
            "policy_id": self.policy.policy_id,
            "name": {"zh": self.policy.name, "en": self.policy.name_en},
            "due_on": self.due_on.isoformat() if self.due_on else None,
            "is_provisional": self.is_provisional,
        }


def no_promise(reason: str) -> Promise:
    """No due time, with the key of the word that says why."""
    return Promise(None, None, None, False, reason)


def promise_for(
    created_at: datetime,
    case: CaseAttributes,
    policies: Sequence[SlaPolicy],
    calendar_of: Callable[[SlaPolicy, datetime], WorkingCalendar | None],
) -> Promise:
    """The promise for a matter raised at `created_at` (aware).

    `calendar_of` gives the calendar of a policy that holds an instant, None if there is none. A
    policy that is measured only, or that a mean or a share of all cases must keep, promises nothing
    to one reporter.
    """
    if not policies:
        return no_promise("promise.not_published")
    policy = first_match(policies, CLOCK, case, created_at)
    limit = policy.limit if policy is not None and policy.target_kind == "each" else None
    if policy is None or limit is None:
        return no_promise("promise.no_limit")
    calendar = calendar_of(policy, created_at)
    if calendar is None:
        return no_promise("promise.calendar_ends")
    try:
        # The warehouse counts whole seconds.
        due_at = due(calendar, created_at.replace(microsecond=0), limit).due_at
        assert due_at is not None
        last = calendar.date_of(micros_of(due_at - timedelta(seconds=1)))
        is_provisional = calendar.day(last).is_provisional
    except WorkingTimeError:
        return no_promise("promise.calendar_ends")
    whole_day = isinstance(limit, DayLimit) and micros_of(due_at) == calendar.day_end(last)
    due_on = last if whole_day else None
    return Promise(due_at.astimezone(UTC), due_on, policy, is_provisional, None)
