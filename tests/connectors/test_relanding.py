"""Archived files that are landed again, as new batches that replace the old ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.compaction import compact
from connectors.errors import LandingBusy, RelandingRefused
from connectors.files.relanding import reland
from connectors.landing import only_one
from connectors.quarantining.quarantine import discard, find_records
from connectors.quarantining.replay import replay
from tests.connectors.conftest import NOW, SHOP, load_one

Home = Any  # the fixture's class lives in conftest
LATER = datetime(2026, 4, 2, tzinfo=UTC)


def reland_one(home: Home, batch_id: str) -> Any:
    return reland(
        home.contract,
        batch_id,
        home=home.path,
        ledger=home.ledger,
        pii=home.pii,
        now=LATER,
        zone="Asia/Shanghai",
        at=home.at,
    )


def widen(home: Home) -> None:
    wider = json.loads(json.dumps(SHOP))
    del wider["streams"]["sales"]["columns"]["amount"]["min"]
    home.contract = load_one(home.path / "wider", wider)


def sales(home: Home) -> list[Any]:
    return [number for (number,) in home.rows("sale_no")]


def test_a_lost_parquet_file_comes_back_as_a_new_batch_in_the_place_of_the_old(home: Home) -> None:
    home.send([home.row(1), home.row(2, amount="x")], amount="10.00")
    home.land()
    (batch,) = home.ledger.batches()
    rows = home.rows("sale_no, amount, _recorded_at, _business_date")
    (home.path / (batch.path or "")).unlink()
    again = reland_one(home, batch.batch_id)
    old = home.ledger.batch(batch.batch_id)
    assert again.batch_id != batch.batch_id and again.supersedes == batch.batch_id
    assert (old.status, old.path) == ("superseded", None), "a build asks for no file that is lost"
    assert home.rows("sale_no, amount, _recorded_at, _business_date") == rows
    same = ("received_at", "sent_at", "sequence", "business_date", "covers_from", "rows", "place")
    assert [getattr(again, name) for name in same] == [getattr(batch, name) for name in same]
    assert [row.batch_id for row in home.ledger.quarantine(state="waiting")] == [again.batch_id]
    assert home.pii.quarantined_record(again.batch_id, 2) is not None
    assert home.land() == [] and home.ledger.unconfirmed("shop") == []


def test_a_batch_may_be_landed_again_and_again_and_its_file_stays_known(home: Home) -> None:
    path = home.send([home.row(1)])
    home.land()
    (first,) = home.ledger.batches()
    second = reland_one(home, first.batch_id)
    third = reland_one(home, second.batch_id)
    assert len({first.batch_id, second.batch_id, third.batch_id}) == 3
    assert [one.batch_id for one in home.ledger.loaded_batches()] == [third.batch_id]
    home.send([home.row(1)], name=path.name)
    (told,) = home.land()
    assert told.code == "duplicate_batch" and len(home.rows()) == 1


def test_a_wider_contract_takes_what_it_had_rejected(home: Home) -> None:
    home.send([home.row(1), home.row(2, amount="-5.00")], amount="5.00")
    home.land()
    (batch,) = home.ledger.batches()
    assert batch.rejected == 1
    widen(home)
    again = reland_one(home, batch.batch_id)
    assert (again.rows_loaded, again.rejected, again.code) == (2, 0, "relanded")
    assert home.ledger.quarantine(state="waiting") == []
    assert sales(home) == ["S1", "S2"]


def test_a_batch_of_a_compacted_file_leaves_the_others_alone(home: Home) -> None:
    for number in (1, 2):
        home.send([home.row(number)], sequence=number)
    home.land()
    day = datetime(2026, 4, 1, tzinfo=UTC)
    compact(home.ledger, {"shop": home.contract}, home=home.path, before=day.date(), now=NOW)
    first, second = home.ledger.batches()
    assert first.path == second.path
    again = reland_one(home, first.batch_id)
    assert again.path != first.path
    assert home.ledger.batch(second.batch_id) == second
    assert {one.batch_id for one in home.ledger.loaded_batches()} == {
        again.batch_id,
        second.batch_id,
    }


@pytest.mark.parametrize("harm", ["archive", "id", "contract"])
def test_what_cannot_be_landed_again_is_told_and_nothing_is_changed(home: Home, harm: str) -> None:
    path = home.send([home.row(1)])
    home.land()
    (batch,) = home.ledger.batches()
    rows = home.rows()
    if harm == "archive":
        (path.parent / "archive" / path.name).write_bytes(b"other")
    if harm == "contract":
        other = json.loads(json.dumps(SHOP))
        other["streams"]["sales"]["columns"]["colour"] = {"type": "string"}
        home.contract = load_one(home.path / "other", other)
    said = {"archive": "neither archived", "id": "no such", "contract": "wrong_header"}[harm]
    with pytest.raises(RelandingRefused, match=said):
        reland_one(home, "0" * 32 if harm == "id" else batch.batch_id)
    assert home.rows() == rows and home.ledger.batches() == [batch]


def test_a_replayed_record_does_not_come_twice_by_landing_again(home: Home) -> None:
    home.send([home.row(1), home.row(2, amount="-5.00")], amount="5.00")
    home.land()
    (batch,) = home.ledger.batches()
    widen(home)
    replay(
        home.contract,
        find_records(home.ledger),
        home=home.path,
        ledger=home.ledger,
        pii=home.pii,
        now=NOW,
        zone="Asia/Shanghai",
    )
    assert sales(home) == ["S1", "S2"]
    reland_one(home, batch.batch_id)
    assert sales(home) == ["S1", "S2"]


def test_a_record_that_was_given_up_stays_given_up(home: Home) -> None:
    home.send([home.row(1), home.row(2, amount="x"), home.row(3, amount="y")], amount="10.00")
    home.land()
    (batch,) = home.ledger.batches()
    given_up = find_records(home.ledger, record_no=2)
    discard(home.ledger, given_up, reason="a test of the till", now=NOW)
    again = reland_one(home, batch.batch_id)
    states = {row.record_no: row.state for row in home.ledger.quarantine(batch_id=again.batch_id)}
    assert states == {2: "discarded", 3: "waiting"}


@pytest.mark.parametrize("step", ["parquet_temporary", "pii", "announced", "parquet", "loaded"])
def test_a_relanding_that_dies_at_any_step_leaves_one_of_both_batches(
    home: Home, step: str
) -> None:
    home.send([home.row(1), home.row(2)])
    home.land()
    (batch,) = home.ledger.batches()

    def die(reached: str) -> None:
        if reached == step:
            raise KeyboardInterrupt

    home.at = die
    with pytest.raises(KeyboardInterrupt):
        reland_one(home, batch.batch_id)
    home.at = lambda reached: None
    assert sales(home) == ["S1", "S2"]
    assert home.land() == []
    if step != "loaded":
        reland_one(home, batch.batch_id)
    assert sales(home) == ["S1", "S2"]
    assert sorted(one.status for one in home.ledger.batches()) == ["loaded", "superseded"]


def test_a_source_that_is_being_landed_is_not_landed_again(home: Home) -> None:
    home.send([home.row(1)])
    home.land()
    (batch,) = home.ledger.batches()
    with only_one(home.path, "shop"), pytest.raises(LandingBusy):
        reland_one(home, batch.batch_id)
