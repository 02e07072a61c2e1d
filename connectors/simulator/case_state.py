"""What is known of a case at an instant: the events before it, taken one after the other."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .case import Case, Event

KIND_OF_CODE = {
    "TS": "complaint",
    "JB": "report",
    "JY": "suggestion",
    "YJ": "opinion",
    "ZX": "inquiry",
    "WT": "question",
    "BY": "praise",
}
_STATUS_OF_EVENT = {
    "SL": "accepted",
    "PD": "in_progress",
    "ZB": "waiting_on_partner",
    "TH": "in_progress",
    "JJ": "resolved",
    "CK": "in_progress",
    "BJ": "closed",
    "CX": "withdrawn",
}
_STATUS_OF_CODE = {"CL": "in_progress", "DU": "waiting_on_reporter"}
_ENDED = ("resolved", "closed", "withdrawn")


class State(NamedTuple):
    """The state of a case; `unit` is the unit that last got it, "" before anyone did."""

    status: str
    kind: str
    category: str
    priority: str
    unit: str = ""
    is_merged: bool = False
    is_spam: bool = False

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something about it."""
        return not (self.is_merged or self.is_spam or self.status in _ENDED)

    @property
    def is_complaint(self) -> bool:
        """Complaints are the kinds complaint and report."""
        return self.kind in ("complaint", "report")


def _created(case: Case) -> State:
    priority = f"P{case.urgency}" if case.source == "hotline" else ""
    return State("new", KIND_OF_CODE[case.kind], case.category, priority)


def _after(state: State, event: Event) -> State:
    if event.code == "DD":
        state = state._replace(status=_STATUS_OF_CODE[event.status])
    elif event.code in _STATUS_OF_EVENT:
        state = state._replace(status=_STATUS_OF_EVENT[event.code])
    elif event.code == "BA":
        state = state._replace(is_merged=True)
    elif event.code in ("SR", "JS"):
        state = state._replace(is_spam=event.code == "SR")
    if event.kind or event.category:
        kind = KIND_OF_CODE[event.kind] if event.kind else state.kind
        state = state._replace(kind=kind, category=event.category or state.category)
    if event.priority:
        state = state._replace(priority=event.priority)
    return state._replace(unit=event.holder) if event.holder else state


def states_of(case: Case, events: Iterable[Event]) -> list[tuple[int, State]]:
    """Each state of a case with the instant from which it holds, the first at the creation.

    What was written before the creation gives no more than the unit: the creation makes it new.
    """
    state = _created(case)
    found: list[tuple[int, State]] = []
    for event in events:
        if event.at < case.at:
            state = _created(case)._replace(unit=_after(state, event).unit)
            continue
        if not found:
            found.append((case.at, state))
        state = _after(state, event)
        if state != found[-1][1]:
            found.append((event.at, state))
    return found or [(case.at, state)]


def state_before(states: Sequence[tuple[int, State]], instant: int) -> State | None:
    """The last state that began before an instant, None before the creation."""
    place = bisect_left(states, instant, key=lambda entry: entry[0])
    return states[place - 1][1] if place else None
