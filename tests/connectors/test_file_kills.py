"""Landings of files that are killed, or cut off from their server, at random moments."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.connectors.conftest import SHOP
from tests.connectors.file_kills import Disturbed, Landing, Sender, check
from tests.peers.sshd import running_sshd
from tests.soak import kills

pytestmark = pytest.mark.soak


def kill(landing: Landing, rng: random.Random, usual: float) -> int:
    """End the process at a moment of its landing, without a word."""
    landing.wait(rng.uniform(0, usual))
    return int(landing.kill())


def test_files_are_landed_once_whenever_their_landing_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "home/exchange/shop"
    folder.mkdir(parents=True)
    landing = Disturbed(tmp_path / "home", SHOP, Sender(folder, random.Random(20260331)))
    landing.run(kill, wanted=kills(4))
    landing.finish()
    check(tmp_path / "home", landing.sender)
    landing.finish()
    check(tmp_path / "home", landing.sender)


def test_files_are_landed_once_whenever_their_server_drops_the_connection(tmp_path: Path) -> None:
    with running_sshd(tmp_path) as server:
        declaration = SHOP | {"interface": {**SHOP["interface"], "location": server.location}}
        home = tmp_path / "home"
        home.mkdir()
        (home / "known_hosts").write_text(server.host_key_line)
        secrets = {"HUIYIN_SHOP_KEY_FILE": str(server.key_file)}
        sender = Sender(server.folder, random.Random(20260401))
        landing = Disturbed(home, declaration, sender, secrets)

        def drop(landing: Landing, rng: random.Random, usual: float) -> int:
            """Drop the connections some times while it lands, and now and then kill it too."""
            dropped = 0
            for _ in range(3):
                landing.wait(rng.uniform(0, usual))
                dropped += server.drop_sessions()
            if rng.random() < 0.3:
                time.sleep(rng.uniform(0, 0.3))
                landing.kill()
            return min(dropped, 1)

        landing.run(drop, wanted=kills(4))
        landing.finish()
        check(home, sender)
