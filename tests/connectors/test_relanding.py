"""Archived files that are landed again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.compaction import compact
from connectors.errors import RelandingRefused
from connectors.files.relanding import reland
from tests.connectors.conftest import NOW, SHOP, load_one

Home = Any  # the fixture's class lives in conftest


def reland_one(home: Home, batch_id: str) -> list[Any]:
    return reland(
        home.contract,
        batch_id,
        home=home.path,
        ledger=home.ledger,
        pii=home.pii,
        now=NOW,
        zone="Asia/Shanghai",
    )


def test_a_lost_parquet_file_comes_back_from_the_archive_under_the_same_id(home: Home) -> None:
    home.send([home.row(1), home.row(2, amount="x")], amount="10.00")
    home.land()
    (batch,) = home.ledger.batches()
    rows = home.rows()
    (home.path / (batch.path or "")).unlink()
    (again,) = reland_one(home, batch.batch_id)
    assert again == batch and home.rows() == rows
    assert len(home.ledger.quarantine(state="waiting")) == 1
    assert reland_one(home, batch.batch_id) == [batch], "twice is as once"


def test_a_wider_contract_takes_what_it_had_rejected(home: Home) -> None:
    home.send([home.row(1), home.row(2, amount="-5.00")], amount="5.00")
    home.land()
    (batch,) = home.ledger.batches()
    assert batch.rejected == 1
    wider = json.loads(json.dumps(SHOP))
    del wider["streams"]["sales"]["columns"]["amount"]["min"]
    home.contract = load_one(home.path / "wider", wider)
    (again,) = reland_one(home, batch.batch_id)
    assert (again.rows_loaded, again.rejected, again.code) == (2, 0, None)
    assert again.received_at == batch.received_at
    assert home.ledger.quarantine() == []
    assert [row[0] for row in home.rows("sale_no")] == ["S1", "S2"]


def test_batches_of_a_compacted_file_are_landed_again_together(home: Home) -> None:
    for number in (1, 2):
        home.send([home.row(number)], sequence=number)
    home.land()
    day = datetime(2026, 4, 1, tzinfo=UTC)
    compact(home.ledger, {"shop": home.contract}, home=home.path, before=day.date(), now=NOW)
    first, second = home.ledger.batches()
    assert first.path == second.path
    (home.path / (first.path or "")).unlink()
    assert len(reland_one(home, first.batch_id)) == 2
    assert home.rows("sale_no") == [("S1",), ("S2",)]


@pytest.mark.parametrize(("harm", "said"), [("archive", "neither archived"), ("id", "no such")])
def test_what_cannot_be_landed_again_is_told_and_nothing_is_changed(
    home: Home, harm: str, said: str
) -> None:
    path = home.send([home.row(1)])
    home.land()
    (batch,) = home.ledger.batches()
    rows = home.rows()
    if harm == "archive":
        (path.parent / "archive" / path.name).write_bytes(b"other")
    with pytest.raises(RelandingRefused, match=said):
        reland_one(home, batch.batch_id if harm == "archive" else "0" * 32)
    assert home.rows() == rows and home.ledger.batches() == [batch]


def test_a_replayed_record_does_not_come_twice_by_landing_again(home: Home) -> None:
    home.send([home.row(1), home.row(2, amount="-5.00")], amount="5.00")
    home.land()
    (batch,) = home.ledger.batches()
    with home.ledger.rows.writing():
        home.ledger.rows.execute("update quarantine set state = 'replayed'")
    wider = json.loads(json.dumps(SHOP))
    del wider["streams"]["sales"]["columns"]["amount"]["min"]
    home.contract = load_one(home.path / "wider", wider)
    with pytest.raises(RelandingRefused, match="they would come twice"):
        reland_one(home, batch.batch_id)
    assert [row[0] for row in home.rows("sale_no")] == ["S1"]
