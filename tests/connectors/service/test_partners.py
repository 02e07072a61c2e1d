"""The simulated partners against the running service: packets taken once, exports confirmed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.simulator import (
    PacketNotTaken,
    Service,
    send_packets,
    simulate,
    take_exports,
    waiting_packets,
)
from tests.connectors.intake.server import Server
from tests.connectors.service.server import SOURCE, ServiceServer, add_client
from tests.connectors.service.test_delivery import land, raw_rows
from tests.connectors.service.test_exports import Cockpit, cockpit

__all__ = ["cockpit"]


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


def test_the_franchise_sends_every_packet_once_and_its_last_word_counts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    key = add_client(home, "franchise", permissions=("deliver",))
    truth = simulate(home, seed=11, scale=0.05)
    waiting = waiting_packets(home)
    assert len(waiting) > 1
    told = [json.loads(path.read_text())["params"]["records"] for path in waiting]
    with ServiceServer(home) as server:
        with pytest.raises(PacketNotTaken, match="401"):
            send_packets(home, Service(address(server), "hyk_somebody_else"))
        service = Service(address(server), key)
        assert send_packets(home, service) == len(waiting)
        # An answer that was lost is asked for again.
        for path in home.rglob("*.answer.json"):
            path.unlink()
        assert send_packets(home, service) == len(waiting) and send_packets(home, service) == 0
    assert [(one.status, one.rejected, one.rows) for one in land(home)] == [
        ("loaded", 0, len(records)) for records in told
    ]
    cases = {row["case_no"] for records in told for row in records}
    where = f"source = '{SOURCE}'"
    known = {(f["mart"], f["where"]): f["value"] for f in truth.facts}
    assert len({row[0] for row in raw_rows(home)}) == len(cases) == known["fct_case", where]


def test_the_cockpit_of_the_city_fetches_and_confirms_what_waits(cockpit: Cockpit) -> None:
    cockpit.send_out()
    cockpit.send_out(1)
    service = Service(address(cockpit.client.server), cockpit.client.key)
    now = datetime(2026, 3, 31, 1, tzinfo=UTC)
    taken = take_exports(service, now=now)
    assert set(cockpit.states()) <= {"confirmed", "superseded"} and taken >= 1
    assert take_exports(service, now=now) == 0
