"""Clocks, states and backlog for `truth.json`, each case by case.

`clocks`: first response and resolution (`ordinal` is the cycle) of every hotline case since the
first of the last three whole months, of 200 earlier ones and of all that were breached on change,
evaluated as was, seen at `as_of`.
`due_at` is None while a clock is paused, `stopped_at` while nothing ended it; a cancelled clock was
stopped by what cancelled it; with `excluded` (merged, spam) its state is cancelled whatever it was.
`elapsed_s` counts the policy's time (working or calendar) without its pauses, up to the end or
`as_of`. After a change the row tells the last policy. `statuses`: the state just before three
moments of a case; `unit` is None before it was assigned. `backlog`: open cases at the ends of days.
"""

from collections.abc import Sequence
from datetime import UTC, date
from typing import Any, TypeVar

from .case_state import state_before
from .clocks import Clock
from .days import DAY_S, instant_of, iso, month_bounds, previous_month
from .feedback import Feedback
from .life_stories import STORIES
from .world import World

_Item = TypeVar("_Item")
_WHOLE_MONTHS = 3
_EARLIER_CASES, _STATUS_CASES, _BACKLOG_DAYS = 200, 100, 12


def _utc(instant: int | None) -> str | None:
    if instant is None:
        return None
    return instant_of(instant).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _spread(items: Sequence[_Item], n: int) -> list[_Item]:
    """At most n of them, evenly."""
    return [items[len(items) * k // n] for k in range(n)] if len(items) > n else list(items)


def tell_clocks(clocks: list[Clock], today: date) -> list[dict[str, Any]]:
    """The clocks of the chosen hotline cases, seen on the morning after a day."""
    day = today
    for _ in range(_WHOLE_MONTHS):
        day = previous_month(day)
    first, _ = month_bounds(day)
    hotline = [c for c in clocks if c.case.source == "hotline"]
    earlier = sorted({c.case.case_no for c in hotline if c.case.day < first})
    chosen = set(_spread(earlier, _EARLIER_CASES))
    chosen |= {c.case.case_no for c in hotline if c.breached_on_change}
    return [
        {
            "source": "hotline",
            "case_no": c.case.case_no,
            "clock": c.clock,
            "ordinal": c.ordinal,
            "evaluation": "as_was",
            "policy_id": c.policy.policy_id,
            "policy_version": c.policy.version,
            "started_at": _utc(c.started),
            "due_at": _utc(c.due),
            "stopped_at": _utc(c.stopped),
            "elapsed_s": c.elapsed,
            "state": c.state,
            "breached_on_change": c.breached_on_change,
            "excluded": c.excluded or None,
        }
        for c in hotline
        if c.case.day >= first or c.case.case_no in chosen
    ]


def tell_statuses(feedback: Feedback, now: int) -> list[dict[str, Any]]:
    """Status, priority and holding unit of some hotline cases at three moments each."""
    hotline = [c for c in feedback.cases if c.source == "hotline"]
    numbers = {story.case_no for story in STORIES}
    chosen = [c for c in hotline if c.case_no in numbers]
    chosen += _spread([c for c in hotline if c.case_no not in numbers], _STATUS_CASES)
    found = []
    for case in chosen:
        events = feedback.events[case.case_no]
        last = max([case.at, *(e.at for e in events)])
        moments = (case.at + 3600, case.at + 1 + (last - case.at) // 2, now)
        for moment in (m for m in moments if m <= now):
            state = state_before(feedback.states[case.case_no], moment)
            if state is not None:
                found.append(
                    {
                        "source": "hotline",
                        "case_no": case.case_no,
                        "at": _utc(moment),
                        "status": state.status,
                        "priority": state.priority,
                        "unit": state.unit or None,
                    }
                )
    return found


def tell_backlog(world: World, feedback: Feedback) -> list[dict[str, Any]]:
    """Open cases, of all channels and of the hotline alone, at the end of each of some days."""
    found = []
    for n in range(1, _BACKLOG_DAYS + 1):
        day = world.through * n // _BACKLOG_DAYS
        counts = {"open_cases": 0, "hotline": 0}
        for case in feedback.cases:
            state = state_before(feedback.states[case.case_no], (day + 1) * DAY_S)
            if state is not None and state.is_open:
                counts["open_cases"] += 1
                counts["hotline"] += case.source == "hotline"
        found.append({"day": iso(day), **counts})
    return found
