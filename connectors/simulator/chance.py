"""Random numbers by key, so that a longer simulation begins with the same rows as a shorter one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Subjects of generators; a new one goes to the end, or every figure changes.
STAFF, SUCCESSOR, CUSTOMERS, JOINERS, ORDERS, BILLS, FINAL_BILLS, HOTLINE, OUTAGE, USAGE = range(10)
CALLS, MENTIONS, SURVEYS, STAFFING, LETTERS, WECHAT, CHATS, MAILS, FRANCHISE = range(10, 19)
CASE_LIFE = 19

PHONE_BASE = 13_490_000_000
_PHONES = 10_000_000
STAFF_PHONES, CALLER_PHONES, PLANTED_PHONES = 9_000_000, 8_000_000, 9_900_000


class Draws:
    """The uniform numbers of one case, taken one after the other."""

    def __init__(self, row: list[float]) -> None:
        self._row = iter(row)

    def __call__(self) -> float:
        """The next number in [0, 1)."""
        return next(self._row)

    def below(self, n: int) -> int:
        """A whole number in [0, n)."""
        return int(next(self._row) * n)

    def weighted(self, weights: list[int]) -> int:
        """A place among the weights."""
        left = next(self._row) * sum(weights)
        for i, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return i
        return len(weights) - 1


def generator(seed: int, subject: int, number: int = 0) -> np.random.Generator:
    """An independent generator of one subject and day (or other ordinal)."""
    return np.random.default_rng([seed, subject, number])


def pick(uniform: Floats, weights: Sequence[float] | npt.NDArray[Any]) -> Ints:
    """Indexes drawn by weights, one for each uniform number in [0, 1)."""
    bounds = np.cumsum(np.asarray(weights, dtype=np.float64))
    found: Ints = np.searchsorted(bounds, uniform * bounds[-1], side="right").astype(np.int64)
    return np.minimum(found, np.int64(len(bounds) - 1))


def phone(seed: int, index: int) -> str:
    """An invented number for one index; the map is one to one below ten million indexes.

    The range 1349 belongs to no public mobile service, so no number reaches a person.
    """
    return str(PHONE_BASE + (index * 7_654_321 + seed * 1_234_567) % _PHONES)


def identity_number(index: int) -> str:
    """An invented identity number: right form and check digit, order code 000 (never issued).

    Different up to index 1.6 million.
    """
    region = 5101 + index // 18_480
    month, day, year = index % 12 + 1, index // 12 % 28 + 1, 1950 + index // 336 % 55
    body = f"{region}{index % 20 + 1:02d}{year}{month:02d}{day:02d}000"
    factors = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(c) * f for c, f in zip(body, factors, strict=True)) % 11]
