"""Everything that happened up to one day: the simulator's own state.

The world of a later day begins with exactly the rows of an earlier one, so the next delivery is
what was added; nothing but seed, scale and day needs to be kept.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .billing import Bills, Payments, charge
from .customers import Customers, register
from .days import DAY_S
from .hotline import Case, Event, answer_calls
from .organisation import Staff, hire
from .sales import Orders, take_orders
from .usage import Usage, record_usage

Progress = Callable[[str], None]


@dataclass(frozen=True)
class World:
    """The state at the end of day `through` (a day number)."""

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
        planted=sorted({value for day, value in hotline.planted if day <= through}),
    )
