"""The service as the demonstration opens it for its simulated partners."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from connectors.inbox import ApiClient, Inbox, key_hash
from connectors.simulator import waiting_packets
from pipelines.demonstration import prepare_home, simulate_sources
from pipelines.installation import Installation
from pipelines.workflow import ingest

FRANCHISE, SOURCE = "franchise", "partner_feedback"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return prepare_home(Installation.open({}, home=tmp_path / "home"))


def simulated(installation: Installation) -> list[str]:
    """Simulate a small province; returns what was told of the franchise."""
    told: list[str] = []
    simulate_sources(installation, scale=0.02, seed=11, say=told.append)
    return [text for text in told if text.startswith(f"{FRANCHISE}: ")]


def test_packets_of_the_franchise_are_accepted_and_the_service_ends(
    installation: Installation,
) -> None:
    first, accepted = simulated(installation)
    count = int(first.split()[1])
    assert accepted == f"{FRANCHISE}: {count} packets accepted by the service" and count > 1
    assert waiting_packets(installation.home.path) == []
    assert "service" not in {thread.name for thread in threading.enumerate()}
    landed = ingest(installation, say=lambda _: None, source=SOURCE)
    assert [one.status for one in landed.deliveries] == ["loaded"] * count
    assert simulated(installation) == []


def test_packets_wait_where_the_label_is_that_of_another_client(installation: Installation) -> None:
    installation.home.ensure()
    now = installation.now()
    other = ApiClient("c", key_hash("hyk_other"), FRANCHISE, None, ("submit",), now, None)
    with Inbox(installation.home.inbox) as inbox:
        assert inbox.add_client(other)
    assert "somebody else" in simulated(installation)[-1]
    assert waiting_packets(installation.home.path)
