"""Customers: who joined, where, who left, and how each pays."""

from dataclasses import dataclass

import numpy as np

from .chance import CUSTOMERS, JOINERS, Floats, Ints, generator, phone, pick
from .days import NEVER, iso, iso_or_none, sales_season
from .organisation import Staff, tree
from .persons import Persons, identify

SEGMENTS = ("mass", "business", "government")
METHODS = ("counter", "bank", "online", "auto")
REGULAR, SLOPPY, CHRONIC = range(3)


@dataclass(frozen=True)
class Customers:
    """One entry a customer, by index in order of joining; days are day numbers.

    `phones` are the numbers they subscribe to, `persons` who they said they are.
    """

    unit: Ints
    segment: Ints
    payer: Ints
    method: Ints
    plan_cents: Ints
    joined: Ints
    left: Ints
    manager: Ints
    numbers: list[str]
    phones: list[str]
    persons: Persons

    def active_on(self, day: int) -> Ints:
        """Indexes of customers who had joined and not left at the end of `day`."""
        return np.flatnonzero((self.joined <= day) & (self.left > day))


def _people(rng: np.random.Generator, n: int) -> dict[str, Ints]:
    u: Floats = rng.random((6, n))
    segment = pick(u[1], (0.85, 0.12, 0.03))
    base = np.array([59.0, 268.0, 880.0])[segment]
    return {
        "unit": pick(u[0], tree().weights),
        "segment": segment,
        "payer": pick(u[2], (0.82, 0.165, 0.015)),
        "method": pick(u[3], (0.12, 0.18, 0.42, 0.28)),
        "plan_cents": (base * (0.5 + 1.6 * u[4] ** 2) * 100).astype(np.int64),
        "manager": (u[5] * 1_000_000).astype(np.int64),
        "stay": rng.exponential(365 / 0.07, n).astype(np.int64),
    }


def register(seed: int, scale: float, through: int, staff: Staff) -> Customers:
    """All customers up to day `through`; leaving days after it are NEVER."""
    rng = generator(seed, CUSTOMERS)
    n = max(30, round(18_200 * scale))
    parts = [_people(rng, n)]
    parts[0]["joined"] = -rng.integers(1, 2500, n)
    for day in range(through + 1):
        rng = generator(seed, JOINERS, day)
        n = int(rng.poisson(4.0 * scale * sales_season(day)))
        if n:
            parts.append(_people(rng, n))
            parts[-1]["joined"] = np.full(n, day, dtype=np.int64)
    column = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    left = np.maximum(column["joined"], 0) + 25 + column["stay"]
    total = len(left)
    phones = [phone(seed, i) for i in range(total)]
    return Customers(
        unit=column["unit"],
        segment=column["segment"],
        payer=column["payer"],
        method=column["method"],
        plan_cents=column["plan_cents"],
        joined=column["joined"],
        left=np.where(left <= through, left, NEVER),
        manager=_managers(column, staff),
        numbers=[f"C{i + 1:08d}" for i in range(total)],
        phones=phones,
        persons=identify(seed, total, phones),
    )


def _managers(column: dict[str, Ints], staff: Staff) -> Ints:
    """Index of the account manager in the roster, -1 for customers who have none."""
    units = tree()
    by_prefecture: dict[int, list[int]] = {}
    for n, employee in enumerate(staff.employees[: staff.initial]):
        if employee.position == "account_manager":
            place = units.prefecture_of_code[units.units[employee.unit].code]
            by_prefecture.setdefault(place, []).append(n)
    prefecture = units.sub_prefecture[column["unit"]]
    managers = np.full(len(prefecture), -1, dtype=np.int64)
    wanted = (column["segment"] > 0) | (column["manager"] % 10 == 0)
    for place, names in by_prefecture.items():
        rows = np.flatnonzero(wanted & (prefecture == place))
        managers[rows] = np.array(names, dtype=np.int64)[column["manager"][rows] % len(names)]
    return managers


def _manager_spells(staff: Staff, through: int) -> dict[int, list[tuple[int, str]]]:
    """(first day, staff number) of everyone who holds an account manager's place, in order."""
    spells: dict[int, list[tuple[int, str]]] = {}
    for n, employee in enumerate(staff.employees[: staff.initial]):
        if employee.position == "account_manager":
            holder: int | None = n
            while holder is not None and staff.employees[holder].joined <= through:
                current = staff.employees[holder]
                spells.setdefault(n, []).append((current.joined, current.staff_no))
                holder = staff.successors.get(holder)
    return spells


def customer_changes(
    customers: Customers, staff: Staff, through: int
) -> list[tuple[int, str, tuple[object, ...]]]:
    """(day, op, business columns) in business order: joined, another manager, left."""
    codes = tree().sub_codes
    spells = _manager_spells(staff, through)
    changes: list[tuple[int, str, tuple[object, ...]]] = []
    columns = zip(
        customers.numbers,
        customers.persons.phones,
        customers.persons.names,
        customers.persons.id_cards,
        customers.unit.tolist(),
        customers.manager.tolist(),
        customers.segment.tolist(),
        customers.joined.tolist(),
        customers.left.tolist(),
        strict=True,
    )
    for number, given, name, id_card, unit, place, segment, joined, left in columns:
        first = max(joined, 0)
        head = (number, given or None, codes[unit])
        who = (name, id_card or None)
        tail = (SEGMENTS[segment], iso(joined))
        manager: str | None = None
        handovers: list[tuple[int, str]] = []
        for day, staff_no in spells.get(place, ()):
            if day <= first:
                manager = staff_no
            elif day < left:
                handovers.append((day, staff_no))
        changes.append((first, "I", (*head, manager, *tail, None, *who)))
        for day, manager in handovers:
            changes.append((day, "U", (*head, manager, *tail, None, *who)))
        if left <= through:
            changes.append((left, "U", (*head, manager, *tail, iso_or_none(left), *who)))
    changes.sort(key=lambda change: change[0])
    return changes
