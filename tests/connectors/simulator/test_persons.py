"""People in three systems: who can be found to be one person, and who must stay apart."""

from collections import Counter
from itertools import combinations, pairwise
from typing import Any

import pytest

from connectors.simulator import Truth
from connectors.simulator.persons import PLACEHOLDER, identify

Entry = tuple[str, str]
FACTORS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2, 1)


@pytest.fixture(scope="session")
def entries(landed: Any) -> dict[Entry, dict[str, Any]]:
    """All entries as they stand now, by source and number."""
    found: dict[Entry, dict[str, Any]] = {}
    for row in landed.tables["customers"]:
        found["crm", row["customer_no"]] = row
    for row in landed.tables["buyers"]:
        found["hall", row["buyer_no"]] = row
        if row["ifc_op"] == "D":
            del found["hall", row["buyer_no"]]
    full = [f for f in landed.files if f.stream == "accounts"]
    last = max(full, key=lambda f: f.path.name)
    for row in last.good_rows():
        named = {name: value or None for name, value in row.items()}
        found["billing", row["account_no"]] = named | {"name": row["holder_name"]}
    return found


def told(groups: list[list[list[str]]]) -> list[set[Entry]]:
    return [{(source, number) for source, number in group} for group in groups]


def test_persons_are_those_that_the_rules_find(
    entries: dict[Entry, dict[str, Any]], truth: Truth
) -> None:
    names: dict[tuple[str, str], set[str]] = {}
    for row in entries.values():
        for column in ("id_card", "phone"):
            if row[column]:
                names.setdefault((column, row[column]), set()).add(row["name"])

    def equal(a: dict[str, Any], b: dict[str, Any], column: str) -> bool:
        value = a[column]
        return bool(
            value
            and value == b[column]
            and a["name"] == b["name"]
            and len(names[column, value]) <= 3
        )

    group_of: dict[Entry, set[Entry]] = {entry: {entry} for entry in entries}
    needed: set[Entry] = set()
    buckets: dict[tuple[str, str], list[Entry]] = {}
    for entry, row in entries.items():
        for column in ("customer_no", "id_card", "phone"):
            if row[column]:
                buckets.setdefault((column, row[column]), []).append(entry)
    for (column, _), members in buckets.items():
        for a, b in combinations(members, 2):
            if column != "customer_no" and not equal(entries[a], entries[b], column):
                continue
            if group_of[a] is not group_of[b]:
                merged = group_of[a] | group_of[b]
                for entry in merged:
                    group_of[entry] = merged
    number = {entry: entries[entry]["customer_no"] or entry for entry in entries}
    for entry, group in group_of.items():
        if len({number[e] for e in group}) > 1:
            needed.add(entry)
    expected = {frozenset(group_of[entry]) for entry in needed}
    assert {frozenset(group) for group in told(truth.persons)} == expected
    assert len(expected) > 20


def test_no_group_holds_two_of_those_who_must_stay_apart(truth: Truth) -> None:
    person = {entry: n for n, group in enumerate(told(truth.persons)) for entry in group}
    apart = told(truth.apart)
    assert any(len(group) >= 40 for group in apart)
    for group in apart:
        found = Counter(person[entry] for entry in group if entry in person)
        assert not [n for n, count in found.items() if count > 1]


def test_a_twin_has_the_name_and_identity_number_of_somebody_else(
    entries: dict[Entry, dict[str, Any]], truth: Truth
) -> None:
    twins = [g for g in told(truth.persons) if sum(source == "crm" for source, _ in g) == 2]
    assert len(twins) >= 8
    for group in twins:
        first, second = sorted(entry for entry in group if entry[0] == "crm")
        assert entries[first]["id_card"] == entries[second]["id_card"] is not None
        assert entries[first]["name"] == entries[second]["name"]


def test_an_office_is_shared_by_forty_and_a_family_by_two(
    entries: dict[Entry, dict[str, Any]],
) -> None:
    phones = Counter(r["phone"] for e, r in entries.items() if e[0] == "crm" and r["phone"])
    assert max(phones.values()) in range(36, 41)
    assert list(phones.values()).count(2) >= 8
    office = max(phones, key=lambda number: phones[number])
    names = Counter(r["name"] for e, r in entries.items() if e[0] == "crm" and r["phone"] == office)
    assert max(names.values()) >= 2


def test_blank_wrong_and_placeholder_identities_are_planted(
    entries: dict[Entry, dict[str, Any]],
) -> None:
    given = [r["id_card"] for e, r in entries.items() if e[0] == "crm"]
    wrong = [
        card
        for card in given
        if card
        and sum((10 if c == "X" else int(c)) * f for c, f in zip(card, FACTORS, strict=True)) % 11
        != 1
    ]
    assert 0.05 < given.count(None) / len(given) < 0.2
    assert 2 <= len(wrong) < 0.02 * len(given)
    assert given.count(PLACEHOLDER) >= 2
    assert sum(r["phone"] is None for e, r in entries.items() if e[0] == "crm") > 20


def test_some_accounts_and_buyers_have_no_customer_number(
    entries: dict[Entry, dict[str, Any]], truth: Truth
) -> None:
    person = {entry for group in told(truth.persons) for entry in group}
    for source in ("billing", "hall"):
        own = [e for e in entries if e[0] == source]
        loose = [e for e in own if not entries[e]["customer_no"]]
        assert 0.05 < len(loose) / len(own) < 0.3
        assert 0.5 < sum(e in person for e in loose) / len(loose) < 1


def test_what_vanished_or_was_struck_off_is_listed(landed: Any, truth: Truth) -> None:
    deletions = {d["source"]: d["records"] for d in truth.defects if d["code"] == "deletion"}
    full = sorted((f for f in landed.files if f.stream == "accounts"), key=lambda f: f.path.name)
    numbers = [{r["account_no"] for r in f.good_rows()} for f in full]
    days = [f.path.name[9:17] for f in full]
    at = days.index("20260328")
    assert sorted(numbers[at - 1] - numbers[at]) == sorted(deletions["billing"])
    assert all(before <= after for before, after in pairwise(numbers)
               if after is not numbers[at])  # fmt: skip
    struck = [r["buyer_no"] for r in landed.tables["buyers"] if r["ifc_op"] == "D"]
    assert struck == deletions["hall"] and len(struck) == 4


def test_people_stay_who_they_were_as_customers_join() -> None:
    shorter = identify(3, 900, [str(n) for n in range(900)])
    longer = identify(3, 1900, [str(n) for n in range(1900)])
    for column in ("person", "names", "id_cards", "phones"):
        assert getattr(longer, column)[:900] == getattr(shorter, column)
