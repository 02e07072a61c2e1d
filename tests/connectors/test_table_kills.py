"""Landings of tables killed at random moments: every record once, every flag as the ledger says."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.connectors.conftest import Home
from tests.connectors.partner_tables import (
    flags,
    land,
    make_flag_table,
    make_table,
    offer,
    sale,
    shop,
    store,
)
from tests.connectors.test_extract import by_cursor, row
from tests.peers.databases import Peer
from tests.soak import kills

pytestmark = pytest.mark.soak
KILLS = kills(3)
_MOST = 4 * KILLS + 10
ROOT = Path(__file__).resolve().parents[2]
_ROWS = 1_000
_DONE, _ERROR = 2, 9


class Landings:
    """Landings of a home in processes, one after the other."""

    def __init__(self, home: Home, peer: Peer) -> None:
        yml = home.path / "sources" / peer.kind / "shop.yml"
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.connectors.landing_process", str(home.path), str(yml)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._line() == "ready"

    def __enter__(self) -> Landings:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.kill()
        self._server.communicate()

    def start(self) -> int:
        """Start one and return its process id."""
        assert self._server.stdin is not None
        self._server.stdin.write("land\n")
        self._server.stdin.flush()
        return int(self._line())

    def end(self) -> int:
        """Wait until the one that was started has ended, and return how."""
        return int(self._line())

    def run(self) -> float:
        """Let one land undisturbed and return its seconds, over which kills are spread."""
        started = time.monotonic()
        self.start()
        assert self.end() == 0
        return time.monotonic() - started

    def kill_after(self, seconds: float) -> bool:
        """Start one and kill it after a while; whether it died of that, at work."""
        process = self.start()
        time.sleep(seconds)
        # Until it is waited for, which the server does, its number belongs to nobody else.
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        ended = self.end()
        assert ended in {0, -signal.SIGKILL}
        return ended != 0

    def _line(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


@pytest.mark.timeout(3600)
def test_flag_tables_survive_kills_at_random_moments(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    shop(home, peer, reject_limit={"rows": 10**9, "share": 1})
    rng = random.Random(7)
    with Landings(home, peer) as landings:
        offer(peer, *(sale(f"w{number}") for number in range(_ROWS)))
        usual = landings.run()
        round_ = killed = 0
        while killed < KILLS and round_ < _MOST:
            offer(
                peer,
                *(
                    sale(f"{round_}-{number}", amount="-1" if number % 100 == 3 else "10")
                    for number in range(_ROWS)
                ),
            )
            killed += landings.kill_after(rng.uniform(0, usual))
            round_ += 1
        landings.run()
    assert killed == KILLS
    require_consistent(home, peer, _ROWS * (round_ + 1))


@pytest.mark.timeout(3600)
def test_flag_tables_survive_connections_that_are_cut_at_random_moments(
    home: Home, peer: Peer
) -> None:
    if peer.kind == "sqlite":
        pytest.skip("a file has no connection to cut")
    make_flag_table(peer)
    shop(home, peer, reject_limit={"rows": 10**9, "share": 1})
    rng = random.Random(11)
    with Landings(home, peer) as landings:
        offer(peer, *(sale(f"w{number}") for number in range(_ROWS)))
        usual = landings.run()
        round_ = cut = 0
        while cut < KILLS and round_ < _MOST:
            offer(peer, *(sale(f"{round_}-{number}") for number in range(_ROWS)))
            landings.start()
            time.sleep(rng.uniform(0, usual))
            cut += min(peer.kill_others(), 1)
            landings.end()
            round_ += 1
        landings.run()
    assert cut == KILLS
    require_consistent(home, peer, _ROWS * (round_ + 1))


def require_consistent(home: Home, peer: Peer, offered: int) -> None:
    """Every row once in raw or in quarantine, marked as the ledger says, under its batch."""
    batches = {batch.batch_id: batch for batch in home.ledger.batches()}
    assert {batch.status for batch in batches.values()} == {"loaded"}
    assert sum(batch.rows for batch in batches.values()) == offered
    landed = Counter(home.rows("_batch_id, _record_no"))
    assert set(landed.values()) == {1}
    waiting = Counter((row.batch_id, row.line) for row in home.ledger.quarantine())
    assert len(landed) + len(waiting) == offered
    marked = {_DONE: landed, _ERROR: waiting}
    for token, number, status, error in flags(peer, "ifc_batch, ifc_seq, ifc_status, ifc_error"):
        assert marked[status][(token, number)] == 1, (token, number, status)
        assert (error is None) == (status == _DONE)
    confirmed = {one.batch_id: one.result for one in home.ledger.confirmations()}
    assert confirmed == {
        batch_id: "partial" if batch.rejected else "ok" for batch_id, batch in batches.items()
    }


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["cursor", "whole"])
def test_extracts_survive_kills_at_random_moments(home: Home, peer: Peer, kind: str) -> None:
    make_table(peer)
    limit = {"rows": 10**9, "share": 1}
    if kind == "cursor":
        contract = by_cursor(home, peer, reject_limit=limit)
    else:
        contract = by_cursor(home, peer, cursor=None, deleted=None, mode="full")
    rng = random.Random(13)
    versions = {f"S{number}": {10} for number in range(_ROWS)}
    with Landings(home, peer) as landings:
        store(peer, *(row(number) for number in range(_ROWS)))
        usual = landings.run()
        round_ = killed = 0
        while killed < KILLS and round_ < _MOST:
            changed = rng.sample(range(_ROWS), 200)
            amount = 100 + round_
            store(peer, *(row(number, amount=str(amount)) for number in changed))
            for number in changed:
                versions[f"S{number}"].add(amount)
            killed += landings.kill_after(rng.uniform(0, usual))
            round_ += 1
        landings.run()
    assert killed == KILLS
    assert land(home, contract) == []
    found = home.rows("sale_no, amount")
    latest = {name: max(amounts) for name, amounts in versions.items()}
    if kind == "whole":
        assert {name: int(amount) for name, amount in found} == latest
        assert len(found) == _ROWS
        return
    # Values that came and went between two landings were never seen; no version came twice.
    assert len(set(found)) == len(found)
    by_name: dict[str, int] = {}
    for name, amount in found:
        by_name[name] = max(by_name.get(name, 0), int(amount))
    assert by_name == latest
