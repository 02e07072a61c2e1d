"""Kills and a full disk: what was acknowledged is there, once."""

from __future__ import annotations

import resource
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.connectors.intake.killing import kill_under_load
from tests.connectors.intake.server import Server
from tests.soak import kills

KILLS = kills(4)


@pytest.mark.soak
def test_kills_under_load_lose_no_acknowledged_submission_and_double_none(tmp_path: Path) -> None:
    report = kill_under_load(tmp_path / "home", kills=KILLS)
    assert report.is_clean and report.kills == KILLS, report


def test_a_full_disk_answers_503_and_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    server = Server(tmp_path / "home")
    server.start()
    first = server.submit()
    told = [first["case_no"]]
    # Files cannot grow any more, which is what a full disk looks like to a store.
    grown = max(path.stat().st_size for path in server.home.glob("*.db*"))
    limits = (grown + 100_000, resource.RLIM_INFINITY)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
    refused = None
    for number in range(500):
        answer = server.request(
            "POST",
            "/v1/feedback",
            data={"kind": "complaint", "text": f"{number} " + "长" * 3000},
            Idempotency_Key=f"full-disk-{number:06d}",
        )
        if answer.status == 503:
            refused = answer
            break
        assert answer.status == 202
        told.append(answer.json["case_no"])
    assert refused is not None and int(refused.headers["retry-after"]) > 0
    assert refused.json["code"] == "unavailable" and "/" not in refused.json["message"]["en"]
    page = server.request(
        "POST", "/", fields={"kind": "praise", "text": "还在这里" * 700, "token": "f" * 20}
    )
    assert page.status == 503 and "还在这里" in page.text
    # Reading goes on, and so does writing once there is room again.
    url = first["status_url"]
    assert server.request("GET", url, X_Case_Secret=first["secret"]).status == 200
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
    told.append(server.submit()["case_no"])
    server.end(signal.SIGKILL)
    with sqlite3.connect(server.home / "inbox.db") as inbox:
        stored = [row[0] for row in inbox.execute("select case_no from submission order by seq")]
        assert inbox.execute("pragma integrity_check").fetchone()[0] == "ok"
    assert stored == told
