"""Landings of many files that die or lose their connection at random moments, and the count after.

Each round a sender delivers some more files; the landing of them is killed or cut at a moment that
nobody chose. One undisturbed landing follows, and everything must be there exactly once.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb

from connectors.errors import SourceUnreachable
from connectors.landing import land_source
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from tests.connectors.conftest import ENCRYPTION_KEY, HEADER, NOW, PSEUDONYM_KEY, load_one, row

FILES_PER_ROUND = 12
_MODULES = [
    "connectors.files.landing",
    "connectors.landing",
    "duckdb",
    "tests.connectors.file_kills",
]


@dataclass
class Sender:
    """Delivers files to a folder and remembers what must become of them."""

    folder: Path
    rng: random.Random
    number: int = 0
    good: dict[str, list[str]] = field(default_factory=dict)
    bad_rows: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def send(self) -> None:
        """Deliver one file: mostly right, now and then with bad rows or a lying log."""
        self.number += 1
        name = f"sales_20260330_{self.number:04d}.txt"
        count = self.rng.randint(1, 30)
        own = [f"{self.number}-{index}" for index in range(count)]
        lines = [row(0).replace("S0", f"S{one}", 1) for one in own]
        bad = self.rng.choice([0, 0, 0, 1, 2])
        lines += [row(0, amount="x").replace("S0", f"B{self.number}-{n}", 1) for n in range(bad)]
        body = "".join(f"{line}\n" for line in [HEADER, *lines]).encode("gb18030")
        log: dict[str, Any] = {
            "file": name,
            "source": "shop",
            "stream": "sales",
            "business_date": "2026-03-30",
            "sequence": self.number,
            "rows": len(lines),
            "bytes": len(body),
            "sha256": sha256(body).hexdigest(),
            "sums": {"amount": f"{count * 10}.00"},
            "sent_at": "2026-03-31T05:00:00+08:00",
        }
        if self.rng.random() < 0.1:
            log["rows"] += 1
            self.refused[name] = "lying_log"
        else:
            self.good[name] = [f"S{one}" for one in own]
            self.bad_rows[name] = bad
        for target, content in ((name, body), (f"{name}.send.log", json.dumps(log).encode())):
            hidden = self.folder / f".{target}.part"
            hidden.write_bytes(content)
            hidden.rename(self.folder / target)


def land(
    home: str, declaration: dict[str, Any], secrets: dict[str, str], ready: Any, done: Any
) -> None:
    """Land once, saying when it begins and when it is done; runs in a process of its own."""
    path = Path(home)
    keys = {"pseudonym_key": PSEUDONYM_KEY, "encryption_key": ENCRYPTION_KEY}
    with Ledger(path / "ledger.db") as ledger, PiiStore(path / "pii.db", **keys) as pii:
        contract = load_one(path / "sources", declaration)
        ready.set()
        # A connection that was lost too often ends the run; the next one goes on.
        with suppress(SourceUnreachable):
            land_source(
                contract,
                home=path,
                ledger=ledger,
                pii=pii,
                now=NOW,
                zone="Asia/Shanghai",
                secret=secrets.get,
            )
        done.set()


class Landing:
    """One landing in a process of its own, from the moment at which it begins to land."""

    def __init__(self, home: Path, declaration: dict[str, Any], secrets: dict[str, str]) -> None:
        context = multiprocessing.get_context("forkserver")
        ready, self._done = context.Event(), context.Event()
        arguments = (str(home), declaration, secrets, ready, self._done)
        self._process = context.Process(target=land, args=arguments)
        self._process.start()
        assert ready.wait(timeout=120)
        self._begun = time.monotonic()
        self.seconds = 0.0

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, this long at most."""
        self._process.join(timeout=seconds)

    def kill(self) -> bool:
        """Kill it; whether it died of that, before it was done."""
        self._process.kill()
        return self.end() == -signal.SIGKILL and not self._done.is_set()

    def end(self) -> int:
        """Wait until it has ended, and return how."""
        self._process.join()
        self.seconds = self.seconds or time.monotonic() - self._begun
        assert self._process.exitcode is not None
        return self._process.exitcode


@dataclass
class Disturbed:
    """Rounds of sending and disturbed landing in one home."""

    home: Path
    declaration: dict[str, Any]
    sender: Sender
    secrets: dict[str, str] = field(default_factory=dict)

    def run(self, disturb: Callable[[Landing, random.Random, float], int], *, wanted: int) -> None:
        """Send, land, `disturb`, until it says that it disturbed a landing at work `wanted` times.

        It is given the process from its start on and the seconds of an undisturbed landing.
        """
        self.home.mkdir(exist_ok=True)
        load_one(self.home / "sources", self.declaration)
        multiprocessing.get_context("forkserver").set_forkserver_preload(_MODULES)
        disturbed, attempts, usual = 0, 0, 1.0
        while disturbed < wanted:
            attempts += 1
            assert attempts <= 4 * wanted + 10, f"only {disturbed} landings were disturbed at work"
            for _ in range(FILES_PER_ROUND):
                self.sender.send()
            landing = Landing(self.home, self.declaration, self.secrets)
            disturbed += disturb(landing, self.sender.rng, usual)
            if landing.end() == 0:
                usual = max(0.2, landing.seconds)

    def finish(self) -> None:
        """Land once more, undisturbed."""
        landing = Landing(self.home, self.declaration, self.secrets)
        assert landing.end() == 0


def check(home: Path, sender: Sender) -> None:
    """Everything sent is there exactly once, and every place tells the same about it."""
    with Ledger(home / "ledger.db") as ledger:
        batches = {batch.place: batch for batch in ledger.batches()}
        assert len(batches) == len(ledger.batches()) == sender.number
        confirmed = Counter(one.batch_id for one in ledger.confirmations())
        waiting = Counter(one.batch_id for one in ledger.quarantine())
        events = {event.code for event in ledger.exchange_events(unresolved=True)}
    assert events == set()
    loaded = [batch for batch in batches.values() if batch.status == "loaded"]
    assert {batch.place for batch in loaded} == set(sender.good)
    paths = [str(home / str(batch.path)) for batch in loaded]
    rows = duckdb.sql(f"select sale_no from read_parquet({paths})").fetchall()
    assert Counter(row[0] for row in rows) == Counter(chain.from_iterable(sender.good.values()))
    assert sorted(str(path) for path in (home / "raw").rglob("*.parquet")) == sorted(paths)
    assert confirmed == Counter(batch.batch_id for batch in loaded)
    _check_folder(sender, batches)
    keys = {"pseudonym_key": PSEUDONYM_KEY, "encryption_key": ENCRYPTION_KEY}
    with PiiStore(home / "pii.db", **keys) as pii:
        for batch in loaded:
            good, bad = len(sender.good[batch.place]), sender.bad_rows[batch.place]
            assert (batch.rows, batch.rows_loaded, batch.rejected) == (good + bad, good, bad)
            assert waiting[batch.batch_id] == bad
            for number in range(good + 1, good + bad + 1):
                assert pii.quarantined_record(batch.batch_id, number) is not None
    fetched = home / "tmp/fetched"
    assert not fetched.exists() or list(fetched.iterdir()) == []


def _check_folder(sender: Sender, batches: dict[str, Any]) -> None:
    left = {path.name for path in sender.folder.iterdir()} - {"archive"}
    assert left == {
        f"{name}{end}" for name in sender.refused for end in ("", ".send.log", ".read.log")
    }
    archive = sender.folder / "archive"
    assert {path.name for path in archive.iterdir()} == {
        f"{name}{end}" for name in sender.good for end in ("", ".send.log", ".read.log")
    }
    for name in (*sender.good, *sender.refused):
        folder = archive if name in sender.good else sender.folder
        log = json.loads((folder / f"{name}.read.log").read_text())
        batch = batches[name]
        assert (log["batch_id"], log["rows_read"]) == (batch.batch_id, batch.rows)
        assert (log["rows_loaded"], log["rows_rejected"]) == (batch.rows_loaded, batch.rejected)
        assert log["code"] == batch.code == sender.refused.get(name, batch.code)
        expected = "partial" if sender.bad_rows.get(name) else "ok"
        assert log["result"] == ("refused" if name in sender.refused else expected)
        content = (folder / name).read_bytes()
        assert sha256(content).hexdigest() == log["sha256"] == batch.content_sha256
