"""Customers matched once more, record by record in Python, to compare the SQL with."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """One record of a customer; blanks are None."""

    record_no: int
    known_no: str | None
    name: str | None
    id_card: str | None
    phone: str | None


@dataclass(frozen=True)
class Rule:
    """One rule: what must be there and equal, how many may share it, what one group may hold."""

    looks_at: tuple[str, ...]
    most_names: int | None = None
    most_groups: int | None = None
    single: tuple[str, ...] = ()


SHIPPED = (
    Rule(("known_no",)),
    Rule(("id_card", "name"), 3, 10, ("id_card",)),
    Rule(("name", "phone"), 3, 10, ("id_card", "name")),
)


def survivors(records: list[Record], rules: tuple[Rule, ...]) -> dict[int, int]:
    """The surviving record of each record, by their numbers."""
    group = {record.record_no: record.record_no for record in records}
    for rule in rules:
        for members in _chains(records, rule, group):
            if not _holds_two(records, group, members, rule.single):
                lowest = min(members)
                group = {no: lowest if of in members else of for no, of in group.items()}
    return group


def _chains(records: list[Record], rule: Rule, group: dict[int, int]) -> list[set[int]]:
    """Sets of groups that hang together by a rule."""
    by_key: dict[tuple[object, ...], set[int]] = defaultdict(set)
    for record in records:
        key = tuple(getattr(record, name) for name in rule.looks_at)
        own = group[record.record_no]
        crowded = any(
            _is_crowded(records, group, name, getattr(record, name), rule)
            for name in ("id_card", "phone")
            if name in rule.looks_at
        )
        if None not in key and not crowded and not _holds_two(records, group, {own}, rule.single):
            by_key[key].add(own)
    chains: list[set[int]] = []
    for groups in by_key.values():
        touching = [chain for chain in chains if chain & groups]
        chains = [chain for chain in chains if not chain & groups]
        chains.append(groups.union(*touching))
    return chains


def _is_crowded(
    records: list[Record], group: dict[int, int], name: str, value: object, rule: Rule
) -> bool:
    holders = [r for r in records if value is not None and getattr(r, name) == value]
    names = {r.name for r in holders} - {None}
    groups = {group[r.record_no] for r in holders}
    return (rule.most_names is not None and len(names) > rule.most_names) or (
        rule.most_groups is not None and len(groups) > rule.most_groups
    )


def _holds_two(
    records: list[Record], group: dict[int, int], members: set[int], single: tuple[str, ...]
) -> bool:
    inside = [r for r in records if group[r.record_no] in members]
    return any(len({getattr(r, name) for r in inside} - {None}) > 1 for name in single)


def random_records(rng: random.Random) -> list[Record]:
    """Few values for many records, so that they collide in every way."""
    size = rng.randrange(2, 40)
    customers = rng.randrange(1, size + 1)

    def some(letter: str, kinds: int) -> str | None:
        return None if rng.random() < 0.3 else f"{letter}{rng.randrange(kinds)}"

    kinds = [rng.randrange(1, size + 1) for _ in range(3)]
    return [
        Record(
            no,
            f"K{no}" if no <= customers else (f"K{rng.randint(1, customers)}" if no % 2 else None),
            some("n", kinds[0]),
            some("i", kinds[1]),
            some("p", kinds[2]),
        )
        for no in range(1, size + 1)
    ]
