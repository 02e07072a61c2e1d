"""Sessions of the online chat: one conversation of a customer with a robot and an agent."""

import json
from dataclasses import dataclass
from datetime import date

from . import wording
from .case import Case, Event
from .chance import CHATS, generator
from .customers import Customers
from .days import DAY_S, OFFSET, compact, day_no, hotline_season, instant_text
from .organisation import Staff, tree

LYING_DAY = day_no(date(2026, 3, 25))
LYING_ROWS = 3
_ROLES = {"customer": "reporter", "agent": "agent", "robot": "system"}


@dataclass(frozen=True)
class Message:
    """One message of a session; `at` in local seconds from day 0."""

    message_no: str
    at: int
    role: str
    agent: str
    is_last: bool
    content: str


@dataclass(frozen=True)
class Session:
    """One session; it never crosses midnight."""

    session_no: str
    day: int
    customer: int
    known: bool
    unit_code: str
    messages: tuple[Message, ...]


def chat(
    seed: int, scale: float, through: int, customers: Customers, staff: Staff
) -> list[Session]:
    """All sessions up to day `through`, in order of time."""
    units = tree()
    found: list[Session] = []
    for day in range(through + 1):
        rng = generator(seed, CHATS, day)
        n = int(rng.poisson(1.5 * scale * hotline_season(day)))
        n = max(n, 1) if day == LYING_DAY else n
        if not n:
            continue
        active = customers.active_on(day)
        for ordinal, u in enumerate(sorted(rng.random((n, 24)).tolist()), start=1):
            customer = int(active[int(u[1] * len(active))])
            number = f"S{compact(day)}{ordinal:04d}"
            begin = day * DAY_S + 8 * 3600 + int(u[0] * 14 * 3600)
            agent = staff.agents[int(u[2] * len(staff.agents))]
            found.append(
                Session(
                    session_no=number,
                    day=day,
                    customer=customer,
                    known=u[3] < 0.8,
                    unit_code=units.sub_codes[int(customers.unit[customer])],
                    messages=_talk(number, begin, agent, u[4:]),
                )
            )
    return found


def _talk(number: str, begin: int, agent: str, u: list[float]) -> tuple[Message, ...]:
    """Four to twelve messages: a question, the robot, then the agent unless nobody came."""
    length = 4 + int(u[0] * 9)
    topic = int(u[1] * len(wording.OTHERS))
    dropped = u[2] < 0.02
    messages: list[Message] = []
    at = begin
    for n in range(length):
        last = n == length - 1 and not dropped
        if n == 0:
            role, text = "customer", wording.OTHERS[topic]
        elif n == 1 or (n == 3 and dropped):
            role, text = "robot", wording.CHAT_ROBOT[n // 2]
        elif last:
            role, text = "agent", wording.CHAT_LAST
        elif n % 2 == 0 or dropped:
            role, text = "customer", wording.CHAT_CUSTOMER[0 if n == 2 else 1 + (n + topic) % 4]
        else:
            role, text = "agent", wording.CHAT_AGENT[0 if n == 3 else 1 + (n + topic) % 3]
        text = text.format(agent=agent, area=wording.AREAS[topic % 10], days=3, hour=5, amount=59)
        messages.append(
            Message(f"{number}-{n + 1:02d}", at, role, agent if role == "agent" else "", last, text)
        )
        at += 6 if role == "robot" else 15 + int(u[3 + n] * 200)
    return tuple(messages)


def message_lines(
    sessions: list[Session], customers: Customers, first: int, last: int
) -> list[str]:
    """JSON lines of the messages of days [first, last], session by session."""
    return [
        json.dumps(
            {
                "message_no": m.message_no,
                "session_no": s.session_no,
                "sent_at": instant_text(m.at).replace(" ", "T") + OFFSET.replace(":", ""),
                "sender_role": m.role,
                "visitor": f"v{s.customer * 7_907 % 1_000_003:07d}",
                "customer_no": customers.numbers[s.customer] if s.known else None,
                "agent_no": m.agent or None,
                "unit_code": s.unit_code,
                "is_last": m.is_last,
                "content": m.content,
            },
            ensure_ascii=False,
        )
        for s in sessions
        if first <= s.day <= last
        for m in s.messages
    ]


def session_cases(sessions: list[Session]) -> list[Case]:
    """Sessions as cases: the first message raises it, the last one of a whole session ends it."""
    cases = []
    for s in sessions:
        events: list[Event] = []
        for m in s.messages[1:]:
            code = "XX" if m.role == "customer" else "HF"
            events.append(
                Event(m.message_no, s.session_no, code, m.at, m.agent, _ROLES[m.role],
                      automatic=m.role == "robot")
            )  # fmt: skip
            if m.is_last:
                events.append(
                    Event(f"{m.message_no}:last", s.session_no, "JJ", m.at, m.agent, "agent")
                )
                events.append(
                    Event(f"{m.message_no}:end", s.session_no, "BJ", m.at, "", "system", True)
                )
        cases.append(
            Case(
                case_no=s.session_no, at=s.messages[0].at,
                customer=s.customer if s.known else -1, phone="", kind="ZX", category="",
                channel="chat", unit_code=s.unit_code, urgency=3,
                content=s.messages[0].content, events=tuple(events), source="chat",
            )
        )  # fmt: skip
    return cases
