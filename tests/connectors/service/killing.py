"""Killing the service under load, and counting what was acknowledged against what is stored."""

from __future__ import annotations

import http.client
import random
import signal
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.connectors.intake.server import Answer
from tests.connectors.service.server import SOURCE, Client, ServiceServer, add_client, record

_CLIENTS = 6


@dataclass(frozen=True)
class KillReport:
    """What became of the packets: all must be done exactly once, and answered alike."""

    kills: int
    acknowledged: int
    unlike: int
    lost_cases: int
    doubled_cases: int
    lost_batches: int
    doubled_batches: int
    batches: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled or answered in two ways."""
        return not (
            self.unlike
            or self.lost_cases
            or self.doubled_cases
            or self.lost_batches
            or self.doubled_batches
        )


def kill_under_load(home: Path, *, kills: int, seed: int = 11) -> KillReport:
    """Kill the server at random moments while clients deliver, submit and repeat.

    It goes on until `kills` of them hit a server that had answered new packets since its start.
    """
    rng = random.Random(seed)
    keys = [add_client(home, f"c{number}") for number in range(_CLIENTS)]
    server = ServiceServer(home)
    server.start()
    told: dict[tuple[int, str], set[str]] = {}
    ended = threading.Event()

    def send_until_the_end(number: int) -> None:
        client = Client(server, keys[number])
        count = 0
        while not ended.is_set():
            count += 1
            packet_id = f"{'batch' if count % 2 else 'case'}-{count:06d}"
            # A program that lost the connection sends the same again until it is answered.
            while (answer := _sent(client, packet_id, number, count)) is None:
                time.sleep(0.02)
            told.setdefault((number, packet_id), set()).add(answer.text)
            if count % 4 == 0 and (again := _sent(client, packet_id, number, count)) is not None:
                told[number, packet_id].add(again.text)

    threads = [
        threading.Thread(target=send_until_the_end, args=(number,)) for number in range(_CLIENTS)
    ]
    for thread in threads:
        thread.start()
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
    for thread in threads:
        thread.join()
    # What was answered before the last kill is still answered alike.
    for number, packet_id in rng.sample(sorted(told), min(40, len(told))):
        again = _sent(Client(server, keys[number]), packet_id, number, int(packet_id[-6:]))
        assert again is not None
        told[number, packet_id].add(again.text)
    server.end(signal.SIGTERM)
    return _counted(home, told, killed)


def _sent(client: Client, packet_id: str, number: int, count: int) -> Answer | None:
    try:
        if packet_id.startswith("batch"):
            answer = client.send(
                "deliver_batch",
                packet_id,
                source=SOURCE,
                stream="cases",
                rows=1,
                records=[record(number * 1_000_000 + count)],
            )
        else:
            answer = client.send(
                "submit_feedback", packet_id, kind="complaint", text=f"{number} {packet_id}"
            )
    except (OSError, http.client.HTTPException):
        return None
    # The rate of a key is bounded; a program waits and goes on.
    return answer if answer.status == 202 else None


def _counted(home: Path, told: dict[tuple[int, str], set[str]], kills: int) -> KillReport:
    with sqlite3.connect(home / "inbox.db") as inbox:
        cases = [
            (client, key)
            for client, key in inbox.execute("select client, idempotency_key from submission")
        ]
        batches = [row[0] for row in inbox.execute("select batch_id from delivered_batch")]
        packets = set(inbox.execute("select client, packet_id from packet"))
        records = inbox.execute("select count(*) from delivered_batch").fetchone()[0]
    acknowledged_cases = {
        (f"client-c{number}", f"packet:{packet_id}")
        for number, packet_id in told
        if packet_id.startswith("case")
    }
    acknowledged = {(f"client-c{number}", packet_id) for number, packet_id in told}
    return KillReport(
        kills=kills,
        acknowledged=len(told),
        unlike=sum(len(answers) != 1 for answers in told.values()),
        lost_cases=len(acknowledged_cases - set(cases)) + len(acknowledged - packets),
        doubled_cases=len(cases) - len(set(cases)),
        lost_batches=sum(packet_id.startswith("batch") for _, packet_id in acknowledged)
        - len([1 for _, packet_id in acknowledged & packets if packet_id.startswith("batch")]),
        doubled_batches=records - len(set(batches)),
        batches=tuple(sorted(batches)),
    )
