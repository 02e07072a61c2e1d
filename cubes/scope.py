"""Scope: the units whose rows an account may see.

The same object serves queries, digests, alerts, portal and service; `cubes.predicate` makes it a
predicate on the scoped dimension. A restricted total is the total of the visible rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """Either everything (`unit_ids` is None) or the units named and all units below them."""

    unit_ids: tuple[str, ...] | None

    @classmethod
    def all(cls) -> Scope:
        """No restriction."""
        return cls(None)

    @classmethod
    def units(cls, ids: Iterable[str]) -> Scope:
        """The given units and everything below; no ids means that nothing is visible."""
        return cls(tuple(sorted(set(ids))))

    @property
    def is_all(self) -> bool:
        """Whether nothing is restricted."""
        return self.unit_ids is None
