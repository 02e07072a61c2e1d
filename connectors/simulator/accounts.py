"""Contract accounts of billing and registered buyers of the business halls: customers once more.

Both systems keep people of their own; most rows carry the customer number, some do not.
"""

from dataclasses import dataclass
from datetime import date

from .customers import Customers
from .days import NEVER, compact, day_no

ACCOUNT_COLUMNS = (
    "account_no", "customer_no", "holder_name", "id_card", "phone", "opened_on",
)  # fmt: skip
BUYER_COLUMNS = ("buyer_no", "customer_no", "name", "id_card", "phone")
VANISH_DAY = day_no(date(2026, 3, 28))
STRUCK_DAY = day_no(date(2026, 3, 19))
# Which accounts, counted in order of their number, are gone from VANISH_DAY on, and which buyers
# are struck off one a day from STRUCK_DAY on.
_VANISHING = (4, 14, 24)
_STRUCK = (3, 8, 13, 18)


@dataclass(frozen=True)
class Holder:
    """One account or buyer: who is behind it and on which days the system knows of it.

    A `bare` one has neither a customer number nor anything but a name.
    """

    number: str
    customer: int
    numbered: bool
    bare: bool
    since: int
    until: int

    def told(self, customers: Customers) -> tuple[str, str, str, str]:
        """Customer number, name, identity number and phone as they stand in this system."""
        persons, i = customers.persons, self.customer
        number = customers.numbers[i] if self.numbered else ""
        if self.bare:
            return number, persons.names[i], "", ""
        return number, persons.names[i], persons.id_cards[i], persons.phones[i]


def accounts(customers: Customers) -> list[Holder]:
    """Accounts of business and government customers, in order of the customers."""
    chosen = [i for i, segment in enumerate(customers.segment.tolist()) if segment > 0]
    joined = customers.joined.tolist()
    return [
        Holder(
            number=f"A{60_000_000 + i}",
            customer=i,
            numbered=i % 7 != 4,
            bare=i % 21 == 4,
            since=joined[i],
            until=VANISH_DAY if ordinal in _VANISHING else NEVER,
        )
        for ordinal, i in enumerate(chosen)
    ]


def buyers(customers: Customers) -> list[Holder]:
    """People who registered at a hall, in order of the customers; they do so after joining."""
    joined = customers.joined.tolist()
    found = []
    for ordinal, i in enumerate(range(2, len(joined), 9)):
        place = _STRUCK.index(ordinal) if ordinal in _STRUCK else None
        since = max(joined[i], 0) + i % 5
        until = NEVER if place is None else max(STRUCK_DAY + place, since + 1)
        numbered, bare = ordinal % 4 != 1, ordinal % 12 == 1
        found.append(Holder(f"B{20_000_000 + i}", i, numbered, bare, since, until))
    return found


def vanished(customers: Customers) -> tuple[str, ...]:
    """Numbers of the accounts that are missing from VANISH_DAY on."""
    return tuple(h.number for h in accounts(customers) if h.since < h.until < NEVER)


def account_rows(customers: Customers, holders: list[Holder], day: int) -> list[tuple[str, ...]]:
    """Rows of the full delivery at the end of a day."""
    return [
        (h.number, *h.told(customers), compact(h.since))
        for h in holders
        if h.since <= day < h.until
    ]


def buyer_changes(customers: Customers, through: int) -> list[tuple[int, str, tuple[object, ...]]]:
    """(day, op, business columns) in business order: registered, struck off."""
    changes: list[tuple[int, str, tuple[object, ...]]] = []
    for h in buyers(customers):
        number, name, id_card, given = h.told(customers)
        row = (h.number, number or None, name, id_card or None, given or None)
        for day, op in ((h.since, "I"), (h.until, "D")):
            if day <= through:
                changes.append((day, op, row))
    changes.sort(key=lambda change: change[0])
    return changes
