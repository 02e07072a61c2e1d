"""Who the customers are: names, identity numbers and phones as people gave them to the systems.

Everything follows from the index of a customer, so a longer simulation begins with the same people.
Planted are one person under two numbers, phones shared by a family or an office, blanks, wrong and
placeholder identity numbers.
"""

from dataclasses import dataclass

import numpy as np

from .chance import Ints, identity_number, phone
from .organisation import GIVEN, SURNAMES

PLACEHOLDER = "510000190001010000"
# Customers by their index modulo a number; twins and those they repeat keep plain identities.
_TWIN, _TWIN_OF, _TWIN_CYCLE, _TWIN_BACK = 13, 69, 97, 41
_OFFICE_CYCLE, _OFFICE_FIRST, _OFFICE_SIZE = 800, 100, 40
_BLANK_CYCLE, _BLANK_PAIR = 500, (210, 211)
_OFFICE_PHONES = 7_900_000
_IDENTITIES = 369_600


@dataclass(frozen=True)
class Persons:
    """One entry a customer: `person` is the index of the customer who is the same person."""

    person: list[int]
    names: list[str]
    id_cards: list[str]
    phones: list[str]


def scatter(index: Ints, salt: int) -> Ints:
    """Thirty random bits of each index, the same at every length of the simulation."""
    mixed = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt * 0x5851F42D)
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(29)
    return (mixed >> np.uint64(34)).astype(np.int64)


def names_of(index: Ints, salt: int) -> list[str]:
    """An invented name for each index; many people share one, as in life."""
    bits = scatter(index, salt).tolist()
    n, m = len(SURNAMES), len(GIVEN)
    return [
        SURNAMES[b % n]
        + GIVEN[b // n % m]
        + (GIVEN[b // n // m % m] if b // n // m // m % 3 else "")
        for b in bits
    ]


def is_office(index: int) -> bool:
    """Whether the customer gave the number of an office that many share."""
    return _OFFICE_FIRST <= index % _OFFICE_CYCLE < _OFFICE_FIRST + _OFFICE_SIZE


def is_twin(index: int) -> bool:
    """Whether the customer is somebody who already has another number."""
    return index % _TWIN_CYCLE == _TWIN and index > _TWIN_CYCLE


def _wrong(number: str) -> str:
    # The last place holds 0 to 9 and X; turning it gives a number whose check fails.
    digits = "0123456789X"
    return number[:-1] + digits[(digits.index(number[-1]) + 1) % 11]


def identify(seed: int, customers: int, own_phones: list[str]) -> Persons:
    """The people behind `customers` customers; `own_phones` are the numbers they subscribe to."""
    names = names_of(np.arange(customers, dtype=np.int64), seed)
    person = list(range(customers))
    id_cards = [identity_number(_IDENTITIES + i) for i in range(customers)]
    phones = list(own_phones)
    for i in range(customers):
        if is_twin(i):
            first = i - _TWIN_BACK
            person[i], names[i], id_cards[i] = first, names[first], id_cards[first]
            continue
        if _is_plain(i):
            continue
        if i % 11 == 3:
            id_cards[i] = ""
        elif i % 211 == 17:
            id_cards[i] = _wrong(id_cards[i])
        elif i % 401 == 19:
            id_cards[i] = PLACEHOLDER
        if i % 33 == 5:
            phones[i] = ""
        elif i % 50 == 7 and names[i] != names[i - 1]:
            phones[i] = phones[i - 1]
    for i in range(customers):
        if _is_plain(i):
            continue
        spot = i % _OFFICE_CYCLE - _OFFICE_FIRST
        if 0 <= spot < _OFFICE_SIZE:
            phones[i] = phone(seed, _OFFICE_PHONES + i // _OFFICE_CYCLE)
            id_cards[i] = "" if spot % 2 else id_cards[i]
            if spot == _OFFICE_SIZE - 1 and not _is_plain(i - 1):
                # Two colleagues of one name, told apart by nothing: they stay two.
                names[i], id_cards[i - 1] = names[i - 1], ""
        if i % _BLANK_CYCLE == _BLANK_PAIR[1] and not _is_plain(i - 1):
            # Two people of one name of whom nothing else is known.
            names[i] = names[i - 1]
            id_cards[i - 1] = id_cards[i] = phones[i - 1] = phones[i] = ""
    return Persons(person, names, id_cards, phones)


def apart(seed: int, persons: Persons) -> list[list[int]]:
    """Groups of customers no two of whom are one person, though something about them is equal."""
    everyone = range(len(persons.person))
    offices: dict[int, list[int]] = {}
    for i in everyone:
        office = i // _OFFICE_CYCLE
        if is_office(i) and persons.phones[i] == phone(seed, _OFFICE_PHONES + office):
            offices.setdefault(office, []).append(i)
    blanks = [
        [i - 1, i]
        for i in everyone
        if i % _BLANK_CYCLE == _BLANK_PAIR[1] and persons.names[i] == persons.names[i - 1]
    ]
    families = [
        [i - 1, i]
        for i in everyone
        if i % 50 == 7 and persons.phones[i] and persons.phones[i] == persons.phones[i - 1]
    ]
    holders = [i for i in everyone if persons.id_cards[i] == PLACEHOLDER]
    groups = [*offices.values(), *blanks, *families, holders]
    return [group for group in groups if len(group) > 1]


def _is_plain(index: int) -> bool:
    return is_twin(index) or index % _TWIN_CYCLE == _TWIN_OF
