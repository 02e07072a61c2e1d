"""Which entries of CRM, billing and the halls are one person, by rules that can be stated.

1. The same customer number.
2. The same identity number and the same name, where at most three names hold that number.
3. The same name and the same phone, where at most three names gave that phone.

What is blank equals nothing. Only groups for which rule 2 or 3 is needed are told.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from .accounts import accounts
from .persons import apart
from .schedule import slots_of
from .world import World

_MOST_NAMES = 3
Entry = list[str]


@dataclass(frozen=True)
class _Member:
    entry: Entry
    number: str
    name: str
    id_card: str
    phone: str


class _Groups:
    """Disjoint groups of members, joined two at a time."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, one: int) -> int:
        while self._parent[one] != one:
            self._parent[one] = self._parent[self._parent[one]]
            one = self._parent[one]
        return one

    def join_equal(self, keys: Iterable[object]) -> None:
        """Joins members with the same key; None joins nothing."""
        first: dict[object, int] = {}
        for place, key in enumerate(keys):
            if key is not None:
                self._parent[self.root(place)] = self.root(first.setdefault(key, place))


def _members(world: World) -> list[_Member]:
    customers, persons = world.customers, world.customers.persons
    found = [
        _Member(["crm", number], number, name, id_card, given)
        for number, name, id_card, given in zip(
            customers.numbers, persons.names, persons.id_cards, persons.phones, strict=True
        )
    ]
    full = slots_of("billing", "accounts", world.through)[-1].business_day
    for h in accounts(customers):
        if h.since <= full < h.until:
            found.append(_Member(["billing", h.number], *h.told(customers)))
    registered: dict[str, _Member] = {}
    for _, op, row in world.buyer_changes:
        buyer, number, name, id_card, given = (str(value or "") for value in row)
        registered[buyer] = _Member(["hall", buyer], number, name, id_card, given)
        if op == "D":
            del registered[buyer]
    return [*found, *registered.values()]


def _personal(pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Values that at most three names share, among (value, name)."""
    names: dict[str, set[str]] = {}
    for value, name in pairs:
        names.setdefault(value, set()).add(name)
    return {value for value, found in names.items() if value and len(found) <= _MOST_NAMES}


def tell_persons(world: World) -> list[list[Entry]]:
    """Groups of (source, number) that are one person though not by their number alone."""
    members = _members(world)
    identities = _personal((m.id_card, m.name) for m in members)
    phones = _personal((m.phone, m.name) for m in members)
    groups = _Groups(len(members))
    groups.join_equal(m.number or None for m in members)
    by_number = [groups.root(place) for place in range(len(members))]
    groups.join_equal((m.id_card, m.name) if m.id_card in identities else None for m in members)
    groups.join_equal((m.name, m.phone) if m.phone in phones else None for m in members)
    together: dict[int, list[int]] = {}
    for place in range(len(members)):
        together.setdefault(groups.root(place), []).append(place)
    return [
        sorted(members[place].entry for place in places)
        for places in together.values()
        if len({by_number[place] for place in places}) > 1
    ]


def tell_apart(world: World) -> list[list[Entry]]:
    """Groups of CRM customers no two of whom are one person, though something is equal."""
    numbers = world.customers.numbers
    return [
        [["crm", numbers[i]] for i in group] for group in apart(world.seed, world.customers.persons)
    ]
