"""Bills of the monthly runs, final bills of leavers, and the payments towards them."""

from dataclasses import dataclass

import numpy as np

from .chance import BILLS, FINAL_BILLS, Ints, generator
from .customers import CHRONIC, METHODS, SLOPPY, Customers
from .days import NEVER, clock_texts, compact, day_of, month_bounds, previous_month
from .organisation import tree

# Day of the month on which each segment is billed.
_RUN_DAY = {1: 0, 5: 1, 26: 2}


@dataclass(frozen=True)
class Bills:
    """One entry a bill in order of time; amounts in cents; `final` marks bills at leaving."""

    day: Ints
    second: Ints
    ordinal: Ints
    final: Ints
    customer: Ints
    due: Ints
    amount: Ints


@dataclass(frozen=True)
class Payments:
    """One entry a payment in order of time; `bill` indexes the bills, `part` is 1 or 2."""

    day: Ints
    second: Ints
    bill: Ints
    part: Ints
    customer: Ints
    amount: Ints


def _due_day(run: int, segment: int, customer: Ints) -> Ints:
    first, last = month_bounds(day_of(run))
    if segment == 2:
        return np.full(len(customer), last + 15, dtype=np.int64)
    if segment == 1:
        return np.full(len(customer), first + 24, dtype=np.int64)
    return np.where(customer % 3 == 0, first + 24, first + 19).astype(np.int64)


def _pay(rng: np.random.Generator, part: dict[str, Ints], payer: Ints) -> dict[str, Ints]:
    """When and how much of each bill is paid; a day of NEVER means it stays open."""
    n = len(payer)
    u = rng.random((6, n))
    day, due, amount = part["day"], part["due"], part["amount"]
    late = u[0] < np.choose(payer, [0.006, 0.40, 0.0])
    in_time = day + 1 + (u[1] * np.maximum(due - day, 1)).astype(np.int64)
    in_time = np.minimum(in_time, due)
    delayed = due + 1 + np.minimum(rng.exponential(9.0, n), 75).astype(np.int64)
    chronic = due + 25 + (u[1] * 110).astype(np.int64)
    chronic = np.where(u[2] < 0.12, NEVER, chronic)
    pay_day = np.where(payer == CHRONIC, chronic, np.where(late, delayed, in_time))
    ahead = (payer != CHRONIC) & ~late & (u[3] < 0.04)
    paid = np.where(ahead, -(-amount // 1000) * 1000, amount)
    halves = ((payer == CHRONIC) | (late & (payer == SLOPPY))) & (u[4] < 0.15)
    first = np.where(halves, paid * 6 // 10, paid)
    second_day = np.where(halves & (pay_day < NEVER), pay_day + 12, NEVER)
    second = (8 * 3600 + u[5] * 14 * 3600).astype(np.int64)
    return {"day1": pay_day, "pay1": first, "day2": second_day, "pay2": paid - first, "at": second}


def charge(seed: int, through: int, customers: Customers) -> tuple[Bills, Payments]:
    """Bills and payments up to day `through`."""
    parts: list[dict[str, Ints]] = []
    pays: list[dict[str, Ints]] = []
    for run in range(through + 1):
        segment = _RUN_DAY.get(day_of(run).day)
        if segment is not None:
            chosen = np.flatnonzero(
                (customers.segment == segment) & (customers.joined < run) & (customers.left > run)
            )
            rng = generator(seed, BILLS, run)
            _bill(rng, run, 0, chosen, _due_day(run, segment, chosen), customers, parts, pays)
        leavers = np.flatnonzero(customers.left == run)
        if len(leavers):
            rng = generator(seed, FINAL_BILLS, run)
            due = np.full(len(leavers), run + 10, dtype=np.int64)
            _bill(rng, run, 1, leavers, due, customers, parts, pays)
    column = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    bills = Bills(**column)
    paid = {name: np.concatenate([p[name] for p in pays]) for name in pays[0]}
    index = np.arange(len(bills.day), dtype=np.int64)
    day = np.concatenate([paid["day1"], paid["day2"]])
    at = np.concatenate([paid["at"], paid["at"]])
    order = np.lexsort((at, day))
    order = order[day[order] <= through]
    bill = np.concatenate([index, index])[order]
    return bills, Payments(
        day=day[order],
        second=at[order],
        bill=bill,
        part=np.repeat(np.array([1, 2], dtype=np.int64), len(index))[order],
        customer=bills.customer[bill],
        amount=np.concatenate([paid["pay1"], paid["pay2"]])[order],
    )


def _bill(
    rng: np.random.Generator,
    run: int,
    final: int,
    chosen: Ints,
    due: Ints,
    customers: Customers,
    parts: list[dict[str, Ints]],
    pays: list[dict[str, Ints]],
) -> None:
    n = len(chosen)
    usage = rng.lognormal(0.0, 0.22, n) * (1.04 ** (run / 365))
    amount = (customers.plan_cents[chosen] * usage * (0.5 if final else 1.0)).astype(np.int64) + 1
    start = 20 * 3600 if final else 2 * 3600
    part = {
        "day": np.full(n, run, dtype=np.int64),
        "second": start + np.arange(n, dtype=np.int64) * 7200 // max(n, 1),
        "ordinal": np.arange(1, n + 1, dtype=np.int64),
        "final": np.full(n, final, dtype=np.int64),
        "customer": chosen,
        "due": due,
        "amount": amount,
    }
    parts.append(part)
    pays.append(_pay(rng, part, customers.payer[chosen]))


def _bill_nos(bills: Bills, index: Ints) -> list[str]:
    columns = (bills.final[index], bills.day[index], bills.ordinal[index])
    return [
        f"{'BF'[final]}{compact(day)}{ordinal:07d}"
        for final, day, ordinal in zip(*(c.tolist() for c in columns), strict=True)
    ]


BILL_COLUMNS = ("bill_no", "customer_no", "unit_code", "billing_month", "billed_at", "due_on",
                "amount")  # fmt: skip
PAYMENT_COLUMNS = ("payment_no", "customer_no", "customer_phone", "amount", "paid_at", "method")


def bill_lines(bills: Bills, customers: Customers, begin: int, end: int) -> list[str]:
    """Lines of the bills [begin, end)."""
    index = np.arange(begin, end, dtype=np.int64)
    codes, clock = tree().sub_codes, clock_texts("")
    months: dict[tuple[int, int, int], str] = {}

    def month(day: int, segment: int, final: int) -> str:
        key = (day, segment, final)
        if key not in months:
            billed = day_of(day)
            own = billed if final or segment == 2 else previous_month(billed)
            months[key] = own.strftime("%Y%m")
        return months[key]

    owner = bills.customer[index]
    columns = (owner, customers.unit[owner], customers.segment[owner], bills.final[index],
               bills.day[index], bills.second[index], bills.due[index],
               bills.amount[index])  # fmt: skip
    numbers = customers.numbers
    return [
        f"{no}|{numbers[c]}|{codes[unit]}|{month(day, segment, final)}"
        f"|{compact(day)}{clock[second]}|{compact(due)}|{cents // 100}.{cents % 100:02d}"
        for no, c, unit, segment, final, day, second, due, cents in zip(
            _bill_nos(bills, index), *(x.tolist() for x in columns), strict=True
        )
    ]


def payment_lines(
    payments: Payments, bills: Bills, customers: Customers, begin: int, end: int
) -> list[str]:
    """Lines of the payments [begin, end)."""
    clock = clock_texts("")
    owner = payments.customer[begin:end]
    columns = (payments.part[begin:end], owner, payments.amount[begin:end],
               payments.day[begin:end], payments.second[begin:end],
               customers.method[owner])  # fmt: skip
    numbers, phones = customers.numbers, customers.phones
    return [
        f"P{no}{part}|{numbers[c]}|{phones[c]}|{cents // 100}.{cents % 100:02d}"
        f"|{compact(day)}{clock[second]}|{METHODS[method]}"
        for no, part, c, cents, day, second, method in zip(
            _bill_nos(bills, payments.bill[begin:end]), *(x.tolist() for x in columns), strict=True
        )
    ]
