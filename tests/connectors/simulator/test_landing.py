"""Landing finds in the channels' simulated deliveries what was planted, by the right code."""

import shutil
from datetime import datetime
from pathlib import Path

import pytest

from connectors.contract import SOURCES, load_contracts
from connectors.landing import land_source
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from connectors.simulator import Truth

CHANNELS = ("chat", "letters", "mail", "monitoring", "survey", "wechat")
NOW = datetime.fromisoformat("2026-03-31T09:00:00+08:00")
ENCRYPTION_KEY = b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.fixture(scope="module")
def ledger(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    copy = tmp_path_factory.mktemp("landed") / "home"
    # Times of files belong to what is delivered: one was changed after its log.
    shutil.copytree(home, copy)
    ledger = Ledger(copy / "ledger.db")
    pii = PiiStore(copy / "pii.db", pseudonym_key=b"0" * 32, encryption_key=ENCRYPTION_KEY)
    contracts = load_contracts([SOURCES])
    for source in CHANNELS:
        land_source(
            contracts[source], home=copy, ledger=ledger, pii=pii, now=NOW, zone="Asia/Shanghai"
        )
    return ledger


def test_each_planted_code_is_noted_at_its_file(ledger: Ledger, truth: Truth) -> None:
    found = {(b.source, b.code, b.place) for b in ledger.batches() if b.code}
    planted = {
        (d["source"], d["code"], d["batch"])
        for d in truth.defects
        if d["source"] in CHANNELS and d["code"] != "sequence_gap"
    }
    assert found == planted
    assert len(planted) == 4


def test_the_number_that_was_left_out_is_noted(ledger: Ledger, truth: Truth) -> None:
    (gap,) = (d for d in truth.defects if d["code"] == "sequence_gap")
    (event,) = ledger.exchange_events(source="wechat")
    assert (event.code, event.stream, event.branch) == ("sequence_gap", "replies", "main")
    assert f"sequence {gap['records'][0]} " in event.detail


def test_everything_else_is_loaded_whole(ledger: Ledger) -> None:
    loaded = [b for b in ledger.batches() if b.status in ("loaded", "superseded")]
    assert {b.source for b in loaded} == set(CHANNELS)
    assert all(b.rejected == 0 for b in loaded)
    assert [b.code for b in ledger.batches(status="superseded")] == [None]
