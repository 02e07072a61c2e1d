"""Killing the intake under load, and counting what was acknowledged against what is stored."""

from __future__ import annotations

import http.client
import random
import signal
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.connectors.intake.server import Server

_CLIENTS = 8


@dataclass(frozen=True)
class KillReport:
    """What became of the submissions: all must be stored exactly once under their number."""

    kills: int
    acknowledged: int
    lost: int
    doubled: int
    renumbered: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled or told under two numbers."""
        return self.lost == self.doubled == self.renumbered == 0


def kill_under_load(home: Path, *, kills: int, seed: int = 7) -> KillReport:
    """Kill the server at random moments while clients submit and repeat.

    It goes on until `kills` of them hit a server that had given new receipts since its start.
    """
    rng = random.Random(seed)
    server = Server(home)
    server.start()
    told: dict[str, set[str]] = {}
    ended = threading.Event()

    def submit_until_the_end(client: int) -> None:
        number = 0
        while not ended.is_set():
            number += 1
            key = f"client-{client:02d}-{number:08d}"
            # A person whose phone lost the connection sends the same again until it is answered.
            while True:
                try:
                    answer = server.request(
                        "POST",
                        "/v1/feedback",
                        data={
                            "kind": "complaint",
                            "text": key,
                            "contact": {"phone": f"139{client:02d}{number:06d}"},
                        },
                        Idempotency_Key=key,
                    )
                except (OSError, http.client.HTTPException):
                    time.sleep(0.02)
                    continue
                if answer.status == 202:
                    told.setdefault(key, set()).add(answer.json["case_no"])
                    break
            # Now and then one repeats what was already answered.
            if number % 5 == 0:
                try:
                    again = server.request(
                        "POST",
                        "/v1/feedback",
                        data={
                            "kind": "complaint",
                            "text": key,
                            "contact": {"phone": f"139{client:02d}{number:06d}"},
                        },
                        Idempotency_Key=key,
                    )
                    told[key].add(again.json["case_no"])
                except (OSError, http.client.HTTPException):
                    pass

    clients = [
        threading.Thread(target=submit_until_the_end, args=(client,)) for client in range(_CLIENTS)
    ]
    for client in clients:
        client.start()
    killed = 0
    for _ in range(10 * kills):
        before = len(told)
        time.sleep(rng.uniform(0.05, 0.5))
        server.end(signal.SIGKILL)
        assert server.process.returncode == -signal.SIGKILL, "it had ended before it was killed"
        # Only a kill between answers is one of a server at work.
        killed += len(told) > before
        server.start()
        if killed == kills:
            break
    ended.set()
    for client in clients:
        client.join()
    server.end(signal.SIGTERM)
    with sqlite3.connect(home / "inbox.db") as inbox:
        stored = inbox.execute("select idempotency_key, case_no from submission").fetchall()
        kept = {row[0] for row in inbox.execute("select reporter_key from submission")}
    with sqlite3.connect(home / "pii.db") as pii:
        people = {row[0] for row in pii.execute("select pseudonym from person_value")}
    assert kept <= people, "a pseudonym in the inbox has no person behind it"
    numbers = dict(stored)
    return KillReport(
        kills=killed,
        acknowledged=len(told),
        lost=sum(key not in numbers for key in told),
        doubled=len(stored) - len({key for key, _ in stored}),
        renumbered=sum(cases != {numbers.get(key)} for key, cases in told.items()),
    )
