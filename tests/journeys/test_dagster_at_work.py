"""Dagster as it runs: webserver, daemon, sensors, and a backfill started as the pages do it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pipelines.settings import PROJECT_ROOT
from tests.journeys.product import Product, clean_environment
from tests.peers.ports import free_port

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("dagster-at-work")]

# A child of a script inherits an ignored SIGINT, without which `dagster dev` does not end.
START = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
LAUNCH = """
mutation ($given: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $given) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
BACKFILL = """
query ($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}
"""
RUNS = """
{ runsOrError(limit: 50) { ... on Runs { results {
    runId status jobName tags { key value }
} } } }
"""
LAST = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode {
    assetMaterializations(limit: 5) {
      runOrError { __typename }
      metadataEntries { label ... on IntMetadataEntry { intValue } }
    }
  } }
}
"""
PATIENCE = 400
DAYS = [f"2026-03-{day}" for day in range(24, 27)]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Dagster:
    """A running Dagster over one home."""

    product: Product
    url: str

    def ask(self, query: str, **variables: Any) -> Any:
        """Ask the webserver as its pages do; returns the data."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]

    def runs(self) -> list[dict[str, Any]]:
        """Runs, newest first, with their tags as a mapping."""
        found = self.ask(RUNS)["runsOrError"]["results"]
        return [run | {"tags": {t["key"]: t["value"] for t in run["tags"]}} for run in found]

    def tag(self) -> str:
        """The tag of the published snapshot."""
        return (self.product.home / "published" / "current").readlink().name

    def messages(self) -> int:
        """How many messages the outbox ever took."""
        return len(self.product.json("message", "list"))


def until(look: Callable[[], Found | None]) -> Found:
    """What `look` finds, looked for again and again until it is there."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    pytest.fail(f"nothing was found for {PATIENCE} s")


def answers(dagster: Dagster) -> bool:
    try:
        return bool(dagster.ask("{ assetNodes { id } }")["assetNodes"])
    except (OSError, ValueError):
        return False


@pytest.fixture(scope="module")
def dagster(unharmed: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dagster]:
    """`dagster dev` with the shipped configuration, on a published home."""
    folder = tmp_path_factory.mktemp("at-work")
    product = unharmed.copy(folder / "home")
    instance = product.home / "dagster"
    instance.mkdir()
    shutil.copy(PROJECT_ROOT / "dagster.yaml", instance)
    port = free_port()
    command = str(Path(sys.executable).with_name("dagster"))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", START, command, "dev", "-w", "workspace.yaml", "-p", str(port)],
            cwd=PROJECT_ROOT,
            env=clean_environment(
                product.home, DAGSTER_HOME=str(instance), HUIYIN_PUBLISH_EVERY_MINUTES="1"
            ),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    running = Dagster(product, f"http://127.0.0.1:{port}")
    try:
        until(lambda: answers(running) or None)
        yield running
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_a_backfill_of_days_is_one_run_and_sends_no_message(dagster: Dagster) -> None:
    before, messages = dagster.tag(), dagster.messages()
    keys = [
        {"path": node["assetKey"]["path"]}
        for node in dagster.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]
    ]
    given = {"assetSelection": keys, "partitionNames": DAYS, "fromFailure": False, "tags": []}
    launched = dagster.ask(LAUNCH, given=given)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    backfill = launched["backfillId"]

    def ended() -> str | None:
        status: str = dagster.ask(BACKFILL, id=backfill)["partitionBackfillOrError"]["status"]
        return None if status in {"REQUESTED", "IN_PROGRESS"} else status

    assert until(ended) == "COMPLETED_SUCCESS"
    (run,) = [one for one in dagster.runs() if one["tags"].get("dagster/backfill") == backfill]
    assert run["status"] == "SUCCESS"
    assert run["tags"]["dagster/asset_partition_range_start"] == DAYS[0]
    assert run["tags"]["dagster/asset_partition_range_end"] == DAYS[-1]
    assert dagster.tag() != before
    assert dagster.messages() == messages


def test_what_comes_in_lands_without_a_run_and_a_new_day_is_published_and_told_by_sensors(
    dagster: Dagster,
) -> None:
    home = dagster.product.home
    runs, messages = len(dagster.runs()), dagster.messages()
    case_no = submit(home)
    dagster.product.run("simulate", "--next-day")
    until(lambda: list((home / "raw" / "intake" / "cases").glob("*/*.parquet")))
    key = {"path": ["raw", "intake", "cases"]}

    def reported() -> Any:
        found = dagster.ask(LAST, key=key)["assetNodeOrError"]["assetMaterializations"]
        return [one for one in found if one["runOrError"]["__typename"] != "Run"]

    (last,) = until(reported)
    told = {entry["label"]: entry.get("intValue") for entry in last["metadataEntries"]}
    assert told["new rows"] == 1
    until(lambda: dagster.tag().startswith("20260331") or None)
    until(lambda: cases_of(home, case_no) or None)
    until(lambda: all(one["status"] == "SUCCESS" for one in dagster.runs()) or None)
    launched = dagster.runs()[: len(dagster.runs()) - runs]
    assert {one["tags"].get("dagster/sensor_name") for one in launched} == {"arrivals"}
    assert dagster.messages() > messages


def submit(home: Path) -> str:
    """Submit a complaint through the intake; the number of its case."""
    from fastapi.testclient import TestClient

    from pipelines.installation import Installation
    from pipelines.intake import intake_application

    installation = Installation.open(clean_environment(home))
    with TestClient(intake_application(installation)) as intake:
        answer = intake.post("/v1/feedback", json={"kind": "complaint", "text": "宽带断了"})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["case_no"])


def cases_of(home: Path, case_no: str) -> int:
    """How often the published snapshot holds a case."""
    import duckdb

    warehouse = (home / "published" / "current").resolve() / "warehouse.duckdb"
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        row = connection.execute(
            "select count(*) from marts.fct_case where case_no = ?", [case_no]
        ).fetchone()
    return row[0] if row else 0
