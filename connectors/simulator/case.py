"""A case of any channel and the events of its life."""

from dataclasses import dataclass

from .days import DAY_S

COMPLAINT_KINDS = ("TS", "JB")


@dataclass(frozen=True)
class Event:
    """One event of a case; `at` and `limit` in local seconds from day 0, a `limit` of 0 is none.

    `holder` is the unit that gets the case and `holder_no` the member of staff.
    """

    event_no: str
    case_no: str
    code: str
    at: int
    actor_no: str
    role: str
    automatic: bool = False
    holder: str = ""
    status: str = ""
    score: int = 0
    content: str = ""
    priority: str = ""
    partner: str = ""
    other_case: str = ""
    limit: int = 0
    kind: str = ""
    category: str = ""
    holder_no: str = ""


@dataclass(frozen=True)
class Case:
    """One case as it was created, with all its events, also those still to come.

    Cases of the other channels take the codes of the hotline, and XX for words of the reporter.
    """

    case_no: str
    at: int
    customer: int
    phone: str
    kind: str
    category: str
    channel: str
    unit_code: str
    urgency: int
    content: str
    events: tuple[Event, ...]
    source: str = "hotline"

    @property
    def day(self) -> int:
        """Day number of the creation."""
        return self.at // DAY_S
