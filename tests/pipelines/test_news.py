"""What a run of ingest and publish would find to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from connectors.ledger import Ledger
from connectors.ledger_rows import Batch
from pipelines.build import definition_version
from pipelines.build_input import build_id_of
from pipelines.delivery_history import open_matters
from pipelines.installation import Installation
from pipelines.news import news_of
from pipelines.workflow import build_request, matters_and_exchange

NOW = datetime(2026, 3, 31, 1, tzinfo=UTC)


def publish(installation: Installation, tag: str) -> None:
    """Publish an empty warehouse that says it was built from what the ledger holds now."""
    with installation.ledger() as ledger:
        matters = open_matters(ledger)
    folder = installation.home.published / "snapshots" / tag
    folder.mkdir(parents=True)
    duckdb.connect(str(folder / "warehouse.duckdb")).close()
    information = {
        "tag": tag,
        "as_of": NOW.isoformat(),
        "business_date": "2026-03-30",
        "build_id": build_id_of(build_request(installation), [], matters),
        "definition_version": definition_version(installation.home, installation.contracts),
    }
    (folder / "published.json").write_text(json.dumps(information), encoding="utf-8")
    current = installation.home.published / "current"
    current.unlink(missing_ok=True)
    current.symlink_to(folder)


def test_an_event_of_the_exchange_is_news_though_nothing_came_and_so_is_its_end(
    tmp_path: Path,
) -> None:
    settings = {"HUIYIN_CLOCK": f"fixed:{NOW.isoformat()}"}
    installation = Installation.open(settings, home=tmp_path / "home")
    installation.home.ensure()
    publish(installation, "s1")
    quiet = news_of(installation)
    assert not quiet.unbuilt

    def note(code: str) -> None:
        with installation.ledger() as ledger:
            ledger.note_event(code, source="hall", stream="orders", detail="", now=NOW)

    note("duplicate_batch")
    assert news_of(installation) == quiet
    note("late_delivery")
    late = news_of(installation)
    assert late.unbuilt and late.fingerprint != quiet.fingerprint
    publish(installation, "s2")
    assert not news_of(installation).unbuilt
    with installation.ledger() as ledger:
        (event,) = ledger.exchange_events(code="late_delivery")
        ledger.resolve_event(event.event_id, now=NOW)
    assert news_of(installation).unbuilt


class BusyLedger(Ledger):
    """A ledger into which another process notes an event while its batches are read."""

    def batches(self, **wanted: Any) -> list[Batch]:
        with Ledger(self.path) as other:
            other.note_event("late_delivery", source="s", stream="t", detail="", now=NOW)
        return super().batches(**wanted)


def test_a_matter_noted_while_the_ledger_is_read_is_told_by_the_next_build(tmp_path: Path) -> None:
    with BusyLedger(tmp_path / "ledger.db") as ledger:
        matters, exchange = matters_and_exchange(ledger)
        assert (matters, len(exchange.events)) == ((), 1)
        assert open_matters(ledger) == ("event:1",), "so the next look differs from what was built"
