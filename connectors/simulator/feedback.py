"""The cases of all channels together, as far as what was delivered of them can be landed."""

from dataclasses import dataclass

from .case import Case, Event
from .case_state import State, states_of
from .chats import LYING_DAY, session_cases
from .days import DAY_S
from .defects import Plan
from .letters import letter_cases
from .mails import thread_cases
from .world import World


@dataclass(frozen=True)
class Feedback:
    """All cases, the hotline's first, and what has happened on each up to the world's day.

    `states` are the states of each with their instants.
    """

    cases: list[Case]
    events: dict[str, list[Event]]
    states: dict[str, list[tuple[int, State]]]

    def state(self, case: Case) -> State:
        """The state of a case at the end of the world's day."""
        return self.states[case.case_no][-1][1]

    def counted(self) -> list[Case]:
        """All cases that are not taken for spam."""
        return [case for case in self.cases if not self.state(case).is_spam]


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
    return Feedback(cases, events, {c.case_no: states_of(c, events[c.case_no]) for c in cases})
