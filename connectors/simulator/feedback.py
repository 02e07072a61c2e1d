"""The cases of all channels together, as far as what was delivered of them can be landed."""

from dataclasses import dataclass

from .chats import LYING_DAY, session_cases
from .days import DAY_S
from .defects import Plan
from .hotline import Case, Event
from .letters import letter_cases
from .mails import thread_cases
from .world import World


@dataclass(frozen=True)
class Feedback:
    """All cases, the hotline's first, and what has happened on each up to the world's day."""

    cases: list[Case]
    events: dict[str, list[Event]]


def gather(world: World, plan: Plan) -> Feedback:
    """Leaves out malformed events and the chat sessions of the day whose log lied."""
    cases = [
        *world.cases,
        *(s.case for s in world.submissions),
        *letter_cases(world.letters),
        *thread_cases(world.threads),
        *session_cases([s for s in world.sessions if s.day != LYING_DAY]),
        *world.referrals,
    ]
    limit = (world.through + 1) * DAY_S
    events = {
        c.case_no: [e for e in c.events if e.at < limit and e.event_no not in plan.events]
        for c in cases
    }
    return Feedback(cases, events)
