"""Full deliveries replace each other; a small one waits until somebody allows it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors.arrivals import arrivals
from connectors.compaction import compact
from connectors.full_delivery import allow_shrink, allowed
from connectors.ledger_rows import AllowedShrink
from connectors.quarantining.quarantine import find_records
from connectors.quarantining.replay import replay
from tests.connectors.conftest import NOW, SHOP, load_one, row

Home = Any  # the fixture's class lives in conftest


@pytest.fixture
def full(home: Home) -> Iterator[Home]:
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"] |= {"mode": "full", "shrink_limit": 0.8}
    home.contract = load_one(home.path / "full", declaration)
    yield home


def keys(home: Home) -> list[str]:
    return [one for (one,) in home.rows("sale_no")]


def send(home: Home, numbers: range, sequence: int, **changes: Any) -> Path:
    path: Path = home.send([row(n) for n in numbers], sequence=sequence, **changes)
    return path


def test_a_full_delivery_replaces_the_one_before(full: Home) -> None:
    send(full, range(1, 6), 1)
    full.land()
    send(full, range(2, 7), 2)
    full.land()
    assert keys(full) == ["S2", "S3", "S4", "S5", "S6"]
    assert sorted(one.status for one in full.ledger.batches()) == ["loaded", "superseded"]


def test_a_full_delivery_says_how_many_records_it_no_longer_has(full: Home) -> None:
    send(full, range(1, 6), 1)
    full.land()
    send(full, range(2, 7), 2, day="2026-03-31")
    (told,) = full.land()
    assert (told.status, told.code) == ("loaded", "deletion")
    assert told.reason == "1 records of the delivery before are missing"
    send(full, range(2, 8), 3, day="2026-03-31")
    assert [one.code for one in full.land()] == [None]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1), (3, 2, 1)])
def test_the_latest_full_delivery_counts_in_whatever_order_they_come(
    full: Home, order: tuple[int, ...]
) -> None:
    for sequence in order:
        send(full, range(sequence, sequence + 5), sequence, day=f"2026-03-{20 + sequence}")
        full.land()
    assert keys(full) == ["S3", "S4", "S5", "S6", "S7"]


def test_branches_replace_only_their_own(full: Home) -> None:
    for branch, start in (("east", 1), ("west", 11)):
        send(full, range(start, start + 2), 1, branch=branch, name=f"{branch}.txt")
    full.land()
    send(full, range(5, 7), 2, branch="east", name="east2.txt")
    full.land()
    assert keys(full) == ["S11", "S12", "S5", "S6"]


def test_a_delivery_of_a_compacted_file_is_compared_with_its_own_branch_alone(full: Home) -> None:
    for branch, start in (("east", 1), ("west", 11)):
        send(full, range(start, start + 2), 1, branch=branch, name=f"{branch}.txt")
    full.land()
    compact(full.ledger, {"shop": full.contract}, home=full.path, before=date(2026, 4, 1), now=NOW)
    send(full, range(1, 4), 2, branch="east", name="east2.txt")
    assert [one.code for one in full.land()] == [None]


def test_rows_that_break_the_contract_do_not_make_a_delivery_whole(full: Home) -> None:
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"] |= {"mode": "full", "shrink_limit": 0.8}
    declaration["streams"]["sales"]["reject_limit"] = {"rows": 10, "share": 1}
    full.contract = load_one(full.path / "wide", declaration)
    send(full, range(1, 11), 1)
    full.land()
    lines = [row(n, amount="10.00" if n % 2 else "x") for n in range(1, 11)]
    full.send(lines, sequence=2, amount="50.00")
    (told,) = full.land()
    assert (told.code, told.reason) == (
        "shrunk",
        "5 rows after 10 of the delivery before, less than 80%",
    )
    allow_shrink(full.ledger, "shop", "sales", rows=None, by="tests", now=NOW)
    assert [one.status for one in full.land()] == ["loaded"]


def test_a_replay_uses_up_no_allowance(full: Home) -> None:
    full.send([row(1), row(2, amount="-5.00")], amount="5.00")
    full.land()
    (batch,) = full.ledger.batches()
    with full.ledger.rows.writing():
        full.ledger.rows.insert(
            "allowed_shrink", AllowedShrink("shop", "sales", "main", 1, "tests", NOW)
        )
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"] |= {"mode": "full"}
    declaration["streams"]["sales"]["columns"]["amount"]["min"] = -10
    replay(
        load_one(full.path / "mended", declaration),
        find_records(full.ledger),
        home=full.path,
        ledger=full.ledger,
        pii=full.pii,
        now=NOW,
        zone="Asia/Shanghai",
    )
    assert len(allowed(full.ledger, batch)) == 1


def test_a_delivery_with_far_fewer_rows_is_refused_until_it_is_allowed(full: Home) -> None:
    send(full, range(1, 11), 1)
    full.land()
    path = send(full, range(1, 8), 2)
    (refused,) = full.land()
    assert (refused.status, refused.code, refused.rows) == ("refused", "shrunk", 7)
    assert refused.reason == "7 rows after 10 of the delivery before, less than 80%"
    assert full.read_log(path)["code"] == "shrunk"
    assert len(keys(full)) == 10
    assert full.land() == []
    (allowed,) = allow_shrink(full.ledger, "shop", "sales", rows=None, by="tests", now=NOW)
    assert allowed.rows == 7
    (loaded,) = full.land()
    assert (loaded.status, loaded.loaded) == ("loaded", 7)
    assert len(keys(full)) == 7
    assert full.read_log(path)["result"] == "ok"


def test_an_allowance_counts_once_and_not_below_its_rows(full: Home) -> None:
    send(full, range(1, 11), 1)
    full.land()
    send(full, range(1, 4), 2)
    full.land()
    assert allow_shrink(full.ledger, "shop", "sales", rows=5, by="tests", now=NOW) == []
    assert full.land() == []
    assert len(allow_shrink(full.ledger, "shop", "sales", rows=3, by="tests", now=NOW)) == 1
    full.land()
    assert len(keys(full)) == 3
    send(full, range(1, 3), 3)
    (again,) = full.land()
    assert again.code == "shrunk"


def test_exactly_the_limit_is_enough(full: Home) -> None:
    send(full, range(1, 11), 1)
    full.land()
    send(full, range(1, 9), 2)
    (delivery,) = full.land()
    assert delivery.status == "loaded"


def test_an_empty_full_delivery_is_refused_too(full: Home) -> None:
    send(full, range(1, 3), 1)
    full.land()
    send(full, range(0), 2, amount="0")
    (delivery,) = full.land()
    assert delivery.code == "shrunk"
    assert keys(full) == ["S1", "S2"]


def test_a_replayed_record_belongs_to_its_delivery_and_leaves_with_it(full: Home) -> None:
    full.send([row(1), row(2), row(3, amount="-5.00")], amount="15.00")
    full.land()
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"] |= {"mode": "full"}
    declaration["streams"]["sales"]["columns"]["amount"]["min"] = -10
    (report,) = replay(
        load_one(full.path / "mended", declaration),
        find_records(full.ledger),
        home=full.path,
        ledger=full.ledger,
        pii=full.pii,
        now=NOW,
        zone="Asia/Shanghai",
    )
    assert report.replayed == 1
    assert keys(full) == ["S1", "S2", "S3"]
    send(full, range(5, 8), 2)
    full.land()
    assert keys(full) == ["S5", "S6", "S7"]


def test_a_raised_reject_limit_lets_the_refused_batch_in_at_the_next_landing(home: Home) -> None:
    lines = [row(1), *(row(n, amount="x") for n in range(2, 6))]
    path = home.send(lines, amount="10.00")
    (refused,) = home.land()
    assert refused.code == "reject_limit"
    assert home.land() == []
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"]["reject_limit"] = {"rows": 4, "share": 0}
    home.contract = load_one(home.path / "raised", declaration)
    (loaded,) = home.land()
    assert (loaded.status, loaded.loaded, loaded.rejected) == ("loaded", 1, 4)
    assert home.read_log(path)["result"] == "partial"
    assert home.land() == []


def test_a_refused_batch_is_read_again_once_it_is_reopened(home: Home) -> None:
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"]["columns"]["colour"] = {"type": "string"}
    home.contract = load_one(home.path / "wider", declaration)
    home.send([row(1)])
    (refused,) = home.land()
    assert refused.code == "wrong_header"
    home.contract = load_one(home.path / "right", SHOP)
    assert home.land() == []

    def news() -> tuple[str, ...]:
        return arrivals(home.contract, home=home.path, ledger=home.ledger, now=NOW)

    assert news() == ()
    home.ledger.reopen(refused.batch_id or "")
    assert news() == (refused.place,)
    (loaded,) = home.land()
    assert loaded.status == "loaded"
