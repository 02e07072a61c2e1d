"""Everything that happened up to one day: the simulator's own state.

The world of a later day begins with exactly the rows of an earlier one, so the next delivery is
what was added; nothing but seed, scale and day needs to be kept.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .accounts import buyer_changes
from .billing import Bills, Payments, charge
from .calls import Calls, answer_phones, planted_values
from .case import Case, Event
from .chats import Session, chat
from .customers import Customers, register
from .days import DAY_S
from .franchise import pass_on
from .hotline import answer_calls
from .letters import Letter, open_letters
from .mails import Thread, receive
from .mentions import Mention, hear
from .organisation import Staff, hire
from .sales import Orders, take_orders
from .staffing import TeamDay, count_heads
from .surveys import Answer, ask
from .usage import Usage, record_usage
from .wechat import Submission, take_submissions

Progress = Callable[[str], None]
_SHOWN = 20


@dataclass(frozen=True)
class World:
    """The state at the end of day `through`, a day number.

    `cases` and `events` are the hotline's alone.
    """

    seed: int
    scale: float
    through: int
    staff: Staff
    customers: Customers
    orders: Orders
    bills: Bills
    payments: Payments
    usage: Usage
    cases: list[Case]
    events: list[Event]
    calls: Calls
    letters: list[Letter]
    submissions: list[Submission]
    sessions: list[Session]
    threads: list[Thread]
    referrals: list[Case]
    mentions: list[Mention]
    answers: list[Answer]
    team_days: list[TeamDay]
    buyer_changes: list[tuple[int, str, tuple[object, ...]]]
    planted: list[str]


def make_world(seed: int, scale: float, through: int, progress: Progress) -> World:
    """The world of one seed and scale at the end of day `through`."""
    staff = hire(seed, through)
    customers = register(seed, scale, through, staff)
    progress(f"{len(customers.numbers):,} customers, {len(staff.employees):,} staff")
    orders = take_orders(seed, scale, through, customers)
    bills, payments = charge(seed, through, customers)
    progress(f"{len(orders.day):,} order lines, {len(bills.day):,} bills")
    hotline = answer_calls(seed, scale, through, customers, staff)
    usage = record_usage(seed, scale, through, customers)
    progress(f"{len(hotline.cases):,} cases, {len(usage.day):,} usage records")
    calls = answer_phones(seed, scale, through, customers, staff, hotline.cases)
    letters, in_letters = open_letters(seed, scale, through, customers, staff)
    submissions, in_submissions = take_submissions(seed, scale, through, customers, staff)
    threads, in_mails = receive(seed, scale, through, customers, staff)
    progress(
        f"{len(calls.day):,} calls, {len(letters):,} letters, {len(submissions):,} WeChat "
        f"submissions, {len(threads):,} mail threads"
    )
    planted = [*hotline.planted, *planted_values(calls, seed)]
    planted += [*in_letters, *in_submissions, *in_mails]
    # Of what stands in columns, some of the first customers, who are there from the start.
    for column in (customers.persons.id_cards, customers.persons.phones):
        planted += [(0, value) for value in column[:_SHOWN] if value]
    limit = (through + 1) * DAY_S
    events = [e for case in hotline.cases for e in case.events if e.at < limit]
    events.sort(key=lambda e: (e.at, e.event_no))
    return World(
        seed=seed,
        scale=scale,
        through=through,
        staff=staff,
        customers=customers,
        orders=orders,
        bills=bills,
        payments=payments,
        usage=usage,
        cases=hotline.cases,
        events=events,
        calls=calls,
        letters=letters,
        submissions=submissions,
        sessions=chat(seed, scale, through, customers, staff),
        threads=threads,
        referrals=pass_on(seed, scale, through, customers),
        mentions=hear(seed, scale, through, staff),
        answers=ask(seed, scale, through, customers),
        team_days=count_heads(seed, through),
        buyer_changes=buyer_changes(customers, through),
        planted=sorted({value for day, value in planted if day <= through}),
    )
