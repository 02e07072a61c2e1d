"""The clocks of first response and resolution of a case, by the simulated operator's rules.

A rule is chosen among the versions in force at the start, in order, again whenever what it asks
for changes; start and pauses stay, and a rule's own pause states hold from the start. What was
late under an earlier rule stays late; what is late at once by a later rule is breached on change.
Instants are local seconds from day 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from .case import Case, Event
from .case_state import State
from .days import DAY_S
from .rules import CALENDAR_SECONDS, POLICIES, WORKING_DAYS, Policy
from .working_hours import Pause, due_after, due_in_days, elapsed

_NEVER = 1 << 62


@dataclass(frozen=True)
class Clock:
    """One clock of one case; `due` is None while it is paused, `stopped` while nothing ended it.

    `ordinal` is the cycle. A cancelled clock was stopped by what cancelled it; all clocks of a
    merged case and of spam are cancelled, and `excluded` says which of the two.
    """

    case: Case
    clock: str
    ordinal: int
    policy: Policy
    started: int
    due: int | None
    stopped: int | None
    elapsed: int
    state: str
    breached_on_change: bool
    excluded: str

    @property
    def due_day(self) -> int | None:
        """The day number of the last instant in time; 24:00 belongs to the day it ends."""
        return None if self.due is None else (self.due - 1) // DAY_S


def clocks_of(
    case: Case, events: Sequence[Event], states: Sequence[tuple[int, State]], now: int
) -> list[Clock]:
    """The clocks of a case seen at an instant, by what had happened before it."""
    last = states[-1][1]
    excluded = "merged" if last.is_merged else "spam" if last.is_spam else ""
    cancelling = {"merged": "BA", "spam": "SR"}.get(excluded, "CX")
    cancelled = max((e.at for e in events if e.code == cancelling), default=None)
    return [
        _clock(case, clock, ordinal, start, stop, cancelled, states, now, excluded)
        for clock, ordinal, start, stop in _spans(case, events)
    ]


def _spans(case: Case, events: Sequence[Event]) -> Iterator[tuple[str, int, int, int | None]]:
    """Clock, cycle, start and stop of each clock of a case."""
    answered = next((e.at for e in events if e.code == "JJ" or _is_answer(e)), None)
    yield "first_response", 1, case.at, answered
    ordinal, start = 1, case.at
    is_running = True
    for event in events:
        if event.code == "JJ" and is_running:
            is_running = False
            yield "resolution", ordinal, start, event.at
        elif event.code == "CK" and not is_running:
            is_running = True
            ordinal, start = ordinal + 1, event.at
    if is_running:
        yield "resolution", ordinal, start, None


def _is_answer(event: Event) -> bool:
    return event.code == "HF" and not event.automatic and event.role in ("agent", "handler")


@cache
def _in_force(clock: str, day: int) -> tuple[Policy, ...]:
    """The last version of each policy in force on a day, in their order."""
    versions = {p.policy_id: p for p in POLICIES if p.clock == clock and p.valid_from <= day}
    return tuple(sorted(versions.values(), key=lambda policy: policy.ordinal))


def _rule(clock: str, ordinal: int, case: Case, state: State, day: int) -> Policy:
    return next(p for p in _in_force(clock, day) if _fits(p, ordinal, case, state))


def _fits(policy: Policy, ordinal: int, case: Case, state: State) -> bool:
    cycle = "first" if ordinal == 1 else "again"
    return (
        policy.cycle in ("", cycle)
        and (not policy.sources or case.source in policy.sources)
        and (not policy.kinds or state.kind in policy.kinds)
        and (not policy.priorities or state.priority in policy.priorities)
        and (not policy.channels or case.channel in policy.channels)
    )


def _pauses(
    states: Sequence[tuple[int, State]], policy: Policy, start: int, end: int, is_running: bool
) -> list[Pause]:
    """The spans of [start, end) in a state that pauses, the last one open if it still lasts."""
    found: list[Pause] = []
    for (since, state), (until, _) in pairwise([*states, (_NEVER, states[-1][1])]):
        begin = max(since, start)
        if state.status not in policy.pauses or begin >= min(until, end):
            continue
        closed = None if is_running and until > end else min(until, end)
        if found and found[-1][1] == begin:
            found[-1] = (found[-1][0], closed)
        else:
            found.append((begin, closed))
    return found


def _due(policy: Policy, start: int, pauses: Sequence[Pause]) -> int | None:
    if policy.unit == WORKING_DAYS:
        return due_in_days(start, policy.target, pauses)
    return due_after(start, policy.target, pauses, always=policy.unit == CALENDAR_SECONDS)


def _clock(
    case: Case, clock: str, ordinal: int, start: int, stop: int | None, cancelled: int | None,
    states: Sequence[tuple[int, State]], now: int, excluded: str,
) -> Clock:  # fmt: skip
    stopped = stop if stop is not None else cancelled
    end = now if stopped is None else stopped
    rules: list[tuple[int, Policy]] = []
    for since, state in states:
        if rules and since >= end:
            break
        rule = _rule(clock, ordinal, case, state, start // DAY_S)
        if since <= start:
            rules = [(start, rule)]
        elif rule != rules[-1][1]:
            rules.append((since, rule))
    # Letters are known to the day: an answer of the day after the last one comes too late.
    late_from = end + 1 if case.source == "letters" and stop is not None else end
    on_change = False
    late_rule: Policy | None = None
    for (since, rule), (until, _) in pairwise([*rules, (late_from, rules[-1][1])]):
        due = _due(rule, start, _pauses(states, rule, start, end, stopped is None))
        if due is None:
            continue
        if due < until and late_rule is None:
            on_change = due < since
            late_rule = rule
    is_late = late_rule is not None
    # What was late is told with the rule that was broken, else the rule in force counts.
    rule = late_rule if late_rule is not None and not excluded else rules[-1][1]
    pauses = _pauses(states, rule, start, end, stopped is None)
    if excluded:
        outcome = "cancelled"
    elif is_late:
        outcome = "breached"
    elif stop is not None:
        outcome = "met"
    elif cancelled is not None:
        outcome = "cancelled"
    else:
        outcome = "paused" if pauses and pauses[-1][1] is None else "running"
    return Clock(
        case=case,
        clock=clock,
        ordinal=ordinal,
        policy=rule,
        started=start,
        due=_due(rule, start, pauses),
        stopped=stopped,
        elapsed=elapsed(start, end, pauses, always=rule.unit == CALENDAR_SECONDS),
        state=outcome,
        breached_on_change=on_change,
        excluded=excluded,
    )
