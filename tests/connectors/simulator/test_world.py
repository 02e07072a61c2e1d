"""The simulated world: it only grows at its end, and its calendar is the official one."""

from datetime import date, timedelta

import chinese_calendar
import numpy as np
import pytest

from connectors.simulator.accounts import accounts
from connectors.simulator.billing import bill_lines, payment_lines
from connectors.simulator.calls import call_lines
from connectors.simulator.chance import identity_number, phone, pick
from connectors.simulator.customers import customer_changes
from connectors.simulator.days import day_no, is_working, nth_working_day
from connectors.simulator.organisation import staff_changes
from connectors.simulator.sales import money, order_rows
from connectors.simulator.usage import usage_lines
from connectors.simulator.world import World, make_world

LAST = day_no(date(2026, 3, 30))


@pytest.fixture(scope="module")
def worlds() -> tuple[World, World]:
    return (
        make_world(5, 0.04, LAST, lambda _: None),
        make_world(5, 0.04, LAST + 9, lambda _: None),
    )


def everything(world: World) -> dict[str, list[object]]:
    customers, staff = world.customers, world.staff
    bills, payments, usage = world.bills, world.payments, world.usage
    return {
        "staff": list(staff_changes(staff, world.through)),
        "customers": list(customer_changes(customers, staff, world.through)),
        "orders": list(order_rows(world.orders, customers, staff, 0)),
        "bills": list(bill_lines(bills, customers, 0, len(bills.day))),
        "payments": list(payment_lines(payments, bills, customers, 0, len(payments.day))),
        "usage": list(usage_lines(usage, customers, 0, len(usage.day))),
        "cases": list(world.cases),
        "events": list(world.events),
        "calls": list(
            call_lines(
                world.calls,
                customers,
                staff,
                world.cases,
                world.seed,
                np.arange(len(world.calls.day)),
            )
        ),
        "letters": list(world.letters),
        "submissions": list(world.submissions),
        "sessions": list(world.sessions),
        "threads": list(world.threads),
        "mentions": list(world.mentions),
        "answers": list(world.answers),
        "accounts": list(accounts(customers)),
        "buyers": list(world.buyer_changes),
    }


def test_a_longer_world_begins_with_the_shorter_one(worlds: tuple[World, World]) -> None:
    shorter, longer = (everything(world) for world in worlds)
    for name, rows in shorter.items():
        # No survey round ends in these nine days, and few accounts are opened.
        assert len(longer[name]) >= len(rows) > 0, name
        assert longer[name][: len(rows)] == rows, name


def test_customers_of_a_leaving_manager_go_to_the_successor(worlds: tuple[World, World]) -> None:
    world = worlds[1]
    left_on = {e.staff_no: e.left for e in world.staff.employees}
    holder: dict[object, object] = {}
    gone: set[object] = set()
    for _, _, row in customer_changes(world.customers, world.staff, world.through):
        holder[row[0]] = row[3]
        if row[6] is not None:
            gone.add(row[0])
    # A place may be empty for the ten days before the successor comes.
    still = {h for c, h in holder.items() if h is not None and c not in gone}
    assert all(left_on[str(h)] > world.through - 10 for h in still)


def test_working_days_are_those_of_the_state_council() -> None:
    day = date(2025, 1, 1)
    while day <= date(2026, 12, 31):
        assert is_working(day) == chinese_calendar.is_workday(day), day
        day += timedelta(days=1)


def test_the_tenth_working_day_over_spring_festival() -> None:
    assert nth_working_day(day_no(date(2026, 2, 12)), 10) == day_no(date(2026, 3, 4))


def test_phones_of_different_people_differ() -> None:
    assert len({phone(3, n) for n in range(0, 9_999_999, 997)}) == len(range(0, 9_999_999, 997))


def test_identity_numbers_have_a_right_check_digit() -> None:
    # 11010519491231002X is the example of the standard GB 11643.
    factors = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2, 1)
    for number in ("11010519491231002X", *(identity_number(n) for n in range(500))):
        digits = [10 if c == "X" else int(c) for c in number]
        assert sum(d * f for d, f in zip(digits, factors, strict=True)) % 11 == 1


def test_weights_decide_how_often_each_is_picked() -> None:
    uniform = np.array([0.0, 0.24, 0.25, 0.999999])
    assert pick(uniform, (1, 3)).tolist() == [0, 0, 1, 1]
    assert pick(uniform, (0, 1, 0)).tolist() == [1, 1, 1, 1]


def test_money_keeps_the_sign_of_refunds() -> None:
    assert [money(c) for c in (-50, -12345, 0, 7, 100)] == [
        "-0.50", "-123.45", "0.00", "0.07", "1.00",
    ]  # fmt: skip
