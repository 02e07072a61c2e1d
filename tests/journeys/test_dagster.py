from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.settings import PROJECT_ROOT
from tests.journeys.product import Product, clean_environment, fingerprints

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-2")]

DESCRIBE = """
import json
from pipelines.definitions import definitions

assets = [
    {
        "key": spec.key.to_user_string(),
        "group": spec.group_name,
        "description": spec.description,
        "partitioned": spec.partitions_def is not None,
    }
    for spec in definitions.resolve_all_asset_specs()
]
print(json.dumps({"assets": assets, "job": definitions.resolve_job_def("ingest_and_publish").name}))
"""
STREAM = "stream:billing:bills:2026-03-30"
RANGE = "range:2026-03-21:2026-03-30"
OLD_DAYS = "range:2026-03-01:2026-03-10"


def child(arguments: list[str], environment: dict[str, str]) -> str:
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    return finished.stdout


def without_settings(folder: Path) -> dict[str, str]:
    """An environment of nothing but a path and a home of the user."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder)}


def files_of_the_project() -> set[Path]:
    skipped = {".git", ".venv", ".venv-bi", "__pycache__", "tests"}
    found = set()
    for folder, folders, names in os.walk(PROJECT_ROOT):
        folders[:] = [name for name in folders if name not in skipped and "cache" not in name]
        found |= {Path(folder, name) for name in names}
    return found


def materialise(product: Product, folder: Path, *steps: str) -> dict[str, Any]:
    folder.mkdir()
    output = child(
        ["-m", "tests.journeys.materialise", str(folder), *steps],
        clean_environment(product.home),
    )
    done: dict[str, Any] = json.loads(output.splitlines()[-1])
    return done


def test_definitions_load_without_any_setting_and_create_no_file(tmp_path: Path) -> None:
    before = files_of_the_project()
    told = json.loads(child(["-B", "-c", DESCRIBE], without_settings(tmp_path)))
    assert files_of_the_project() == before
    assert list(tmp_path.iterdir()) == []
    assert told["job"] == "ingest_and_publish"
    keys = {asset["key"] for asset in told["assets"]}
    assert {"raw/billing/bills", "marts/fct_case", "published/snapshot"} <= keys
    for asset in told["assets"]:
        assert asset["group"] not in {None, "", "default"}, asset
        assert asset["description"], asset
        assert asset["partitioned"], asset


def test_the_definitions_are_shorter_than_sixty_lines() -> None:
    text = (PROJECT_ROOT / "pipelines" / "definitions.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60


def test_the_workspace_is_valid(tmp_path: Path) -> None:
    child(
        ["-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        {**without_settings(tmp_path), "HUIYIN_HOME": str(tmp_path / "home")},
    )
    assert not (tmp_path / "home").exists()


@pytest.fixture(scope="module")
def materialised(
    simulated: Product, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Product, dict[str, Any]]:
    """A fresh home that met one stream, then ten days and then a backfill, each in one run."""
    folder = tmp_path_factory.mktemp("materialised")
    product = simulated.copy(folder / "home")
    return product, materialise(product, folder / "dagster", STREAM, RANGE, OLD_DAYS)


def figures(product: Product, tag: str) -> dict[str, tuple[int, str]]:
    path = product.home / "published" / "snapshots" / tag / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        return fingerprints(connection)


def test_one_stream_can_be_materialised(materialised: tuple[Product, dict[str, Any]]) -> None:
    done = materialised[1][STREAM]
    assert done["success"] and done["group"] == "billing"
    assert done["assets"] == ["raw/billing/bills"]
    assert done["partitions"] == ["2026-03-30"]


def test_ten_days_in_one_run_equal_the_incremental_result(
    materialised: tuple[Product, dict[str, Any]], unharmed: Product
) -> None:
    product, done = materialised[0], materialised[1][RANGE]
    assert done["success"] and done["snapshot"]["published"]
    assert done["partitions"] == [f"2026-03-{day}" for day in range(21, 31)]
    assert {"raw/crm/staff", "marts/fct_sale", "published/snapshot"} <= set(done["assets"])
    with unharmed.snapshot() as incremental:
        assert figures(product, done["snapshot"]["snapshot"]) == fingerprints(incremental)


def test_a_backfill_of_old_days_adds_no_message_and_changes_no_figure(
    materialised: tuple[Product, dict[str, Any]],
) -> None:
    product, done = materialised[0], materialised[1]
    before, after = done[RANGE]["snapshot"], done[OLD_DAYS]["snapshot"]
    assert after["published"] and after["snapshot"] != before["snapshot"]
    assert (before["messages queued"] > 0, after["messages queued"]) == (True, 0)
    assert len(product.json("message", "list")) == before["messages queued"]
    assert figures(product, after["snapshot"]) == figures(product, before["snapshot"])
