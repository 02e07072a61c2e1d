"""Kills of the service: what was acknowledged is done, once, and answered alike for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.connectors.service.killing import kill_under_load
from tests.connectors.service.test_delivery import land, raw_rows
from tests.soak import kills

KILLS = kills(2)


@pytest.mark.soak
def test_kills_under_load_lose_no_acknowledged_packet_and_do_none_twice(tmp_path: Path) -> None:
    home = tmp_path / "home"
    report = kill_under_load(home, kills=KILLS)
    assert report.is_clean and report.kills == KILLS, report
    # Every batch lands once, with its one record.
    deliveries = land(home)
    assert sorted(one.batch_id or "" for one in deliveries) == list(report.batches)
    rows = raw_rows(home)
    assert len(rows) == len({row[0] for row in rows}) == len(report.batches)
    assert land(home) == []
