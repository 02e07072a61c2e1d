from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.build_manifest import parsed_by
from pipelines.dbt_run import DBT_PROJECT, run_dbt
from pipelines.marts import declared_marts
from pipelines.settings import PROJECT_ROOT
from tests.journeys.product import Product, clean_environment, fingerprints

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("dagster")]

DESCRIBE = """
import json
from pipelines.definitions import definitions

assets = [
    {
        "key": spec.key.to_user_string(),
        "group": spec.group_name,
        "description": spec.description,
        "partitioned": spec.partitions_def is not None,
        "owners": list(spec.owners),
        "kinds": sorted(spec.kinds),
        "above": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
    }
    for spec in definitions.resolve_all_asset_specs()
]
graph = definitions.resolve_asset_graph()
checks = sorted(f"{k.asset_key.to_user_string()}:{k.name}" for k in graph.asset_check_keys)
automation = {
    one.name: [one.default_status.value, one.description]
    for one in [*definitions.sensors, *definitions.schedules]
}
job = definitions.resolve_job_def("ingest_and_publish")
print(json.dumps({"assets": assets, "checks": checks, "automation": automation, "job": job.name}))
"""
STREAM = "stream:billing:bills:2026-03-30"
RANGE = "range:2026-03-21:2026-03-30"
OLD_DAYS = "range:2026-03-09:2026-03-10"


def is_in_both_languages(text: str) -> bool:
    """Whether a text has Chinese characters and an English sentence of its own."""
    return any("\u4e00" <= one <= "\u9fff" for one in text) and any(
        part.isascii() and part for part in text.splitlines()
    )


def child(arguments: list[str], environment: dict[str, str]) -> str:
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
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
        assert is_in_both_languages(asset["description"]), asset
        assert asset["partitioned"] and asset["owners"] and asset["kinds"], asset
    checked = {check.partition(":")[0] for check in told["checks"]}
    assert checked == keys
    assert "raw/billing/bills:reconciliation" in told["checks"]


def test_a_mart_hangs_on_what_it_is_made_of_and_on_nothing_else(tmp_path: Path) -> None:
    told = json.loads(child(["-B", "-c", DESCRIBE], without_settings(tmp_path)))
    above = {asset["key"]: asset["above"] for asset in told["assets"]}
    assert above["marts/fct_bill"] == ["raw/billing/bills"]
    assert above["marts/fct_arrears_monthly"] == ["marts/fct_arrears_daily"]
    assert set(above["published/snapshot"]) == {key for key in above if key.startswith("marts/")}


def test_sensors_and_the_schedule_run_from_the_start_and_say_what_they_do(tmp_path: Path) -> None:
    told = json.loads(child(["-B", "-c", DESCRIBE], without_settings(tmp_path)))["automation"]
    assert set(told) == {
        "alerts_on_publish",
        "arrivals",
        "daily_publish",
        "delivery_calendar",
        "digests_due",
        "intake_inbox",
        "nightly_tidy",
        "partners",
        "service_inbox",
    }
    for status, description in told.values():
        assert status == "RUNNING"
        assert is_in_both_languages(description)


def test_the_graph_is_that_of_the_models(tmp_path: Path) -> None:
    run_dbt(
        ["parse"],
        warehouse=tmp_path / "warehouse.duckdb",
        work=tmp_path / "work.duckdb",
        target=tmp_path / "target",
        site_models=tmp_path / "none",
        memory_limit="1GB",
        threads=1,
    )
    manifest = parsed_by(DBT_PROJECT, tmp_path / "target", tmp_path / "none")
    nodes = manifest["nodes"]

    def above(unique_id: str) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for one in nodes[unique_id]["depends_on"]["nodes"]:
            if one.startswith("source."):
                source = manifest["sources"][one]
                found.add((source["source_name"], source["name"]))
            elif one.startswith("model."):
                is_mart = "marts" in nodes[one]["fqn"]
                found |= {("ref", nodes[one]["name"])} if is_mart else above(one)
        return {one for one in found if one[0] != "build" or one[1] == "flat_case"}

    marts = declared_marts(DBT_PROJECT, Path("none"))
    assert marts
    for mart in marts:
        expected = above(f"model.huiyin.{mart.name}")
        assert {("ref", name) for name in mart.marts} | mart.streams == expected, mart.name


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
    assert done["success"] and done["group"] == "source_billing"
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


def test_pages_of_assets_show_rows_rejects_dates_and_columns(
    materialised: tuple[Product, dict[str, Any]],
) -> None:
    metadata = materialised[1][RANGE]["metadata"]
    bills, cases = metadata["raw/billing/bills"], metadata["marts/fct_case"]
    assert bills["dagster/row_count"] > 0 and bills["parquet"] == "raw/billing/bills"
    assert bills["dates in all"].endswith("2026-03-30")
    assert metadata["raw/billing/payments"]["rejected rows in all"] > 0
    assert cases["dagster/row_count"] > 0 and "case_key" in cases["dagster/column_schema"]
    assert metadata["published/snapshot"]["sources incomplete"] == (
        "call_centre, cdr, chat, survey"
    )


def test_checks_tell_the_faults_that_the_simulated_sources_have(
    materialised: tuple[Product, dict[str, Any]],
) -> None:
    checks = materialised[1][RANGE]["checks"]
    assert checks["raw/billing/bills:freshness"][0]
    assert checks["raw/cdr/usage:freshness"][:2] == [False, "WARN"]
    assert checks["raw/cdr/usage:reconciliation"][:2] == [False, "ERROR"]
    assert "wrong_sum" in checks["raw/cdr/usage:reconciliation"][2]
    assert checks["raw/billing/payments:reconciliation"][:2] == [False, "WARN"]
    assert checks["marts/fct_case:data_tests"][0]
    assert checks["published/snapshot:completeness"][:2] == [False, "WARN"]
    assert all(is_in_both_languages(told) for _, _, told in checks.values())
