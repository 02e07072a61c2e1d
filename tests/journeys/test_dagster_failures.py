"""Faults met by real runs: what is tried again, what stops, and what each tells."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.assets.failure import as_dagster
from pipelines.errors import BuildFailedError, BuildLockedError, SettingsError
from pipelines.installation import Installation
from pipelines.news import untold_tag
from pipelines.settings import PROJECT_ROOT
from tests.journeys.product import Product, clean_environment

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("dagster-failures")]

DAY = "2026-03-30"
RANGE = f"range:{DAY}:{DAY}"


def run(product: Product, folder: Path, *steps: str, **environment: str) -> dict[str, Any]:
    """Do the steps on the home; what each did by its name."""
    folder.mkdir()
    finished = subprocess.run(
        [sys.executable, "-m", "tests.journeys.materialise", str(folder), *steps],
        cwd=PROJECT_ROOT,
        env=clean_environment(product.home, **environment),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    done: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return done


@pytest.fixture
def product(unharmed: Product, tmp_path: Path) -> Product:
    """A small province, built and published."""
    return unharmed.copy(tmp_path / "home")


def test_a_source_that_cannot_be_reached_is_tried_again_and_then_fails(
    product: Product, tmp_path: Path
) -> None:
    (product.home / "simulator" / "crm.db").unlink()
    step = f"stream:crm:staff:{DAY}"
    done = run(product, tmp_path / "dagster", step)[step]
    assert (done["success"], done["retries"]) == (False, 3)
    (failure,) = done["failures"]
    assert any("crm.db" in told for told in failure["told"])


def test_a_fault_that_trying_again_does_not_mend_stops_at_once_and_says_what_to_do(
    product: Product, tmp_path: Path
) -> None:
    with sqlite3.connect(product.home / "simulator" / "crm.db") as crm:
        crm.execute("alter table ifc_staff rename to gone")
    step = f"stream:crm:staff:{DAY}"
    done = run(product, tmp_path / "dagster", step)[step]
    assert (done["success"], done["retries"]) == (False, 0)
    (failure,) = done["failures"]
    assert "ifc_staff" in failure["description"]
    assert failure["metadata"] == ["error", "exit code", "trying again"]


def test_a_source_that_cannot_be_reached_stops_no_publish_and_its_check_tells(
    product: Product, tmp_path: Path
) -> None:
    (product.home / "simulator" / "crm.db").unlink()
    done = run(product, tmp_path / "dagster", RANGE)[RANGE]
    assert done["success"] and done["retries"] == 3
    assert done["snapshot"]["published"]
    passed, severity, told = done["checks"]["raw/crm/staff:freshness"]
    assert (passed, severity) == (False, "ERROR") and "crm.db" in told
    assert done["checks"]["raw/billing/bills:freshness"][0]
    assert "crm.db" in done["metadata"]["raw/crm/staff"]["not read"]


def test_a_build_waits_for_another_one_and_is_done_after_it(
    product: Product, tmp_path: Path
) -> None:
    step = f"locked:{DAY}:{DAY}:{product.home / 'build.lock'}"
    # A colon stands between the parts of a step.
    assert ":" not in str(product.home)
    done = run(product, tmp_path / "dagster", step, HUIYIN_BUILD_WAIT_MINUTES="0")[step]
    assert done["success"] and done["retries"] >= 1
    assert done["snapshot"]["published"]


def test_a_broken_model_stops_the_publish_and_is_not_tried_again(
    product: Product, tmp_path: Path
) -> None:
    serving = (product.home / "published" / "current").readlink()
    models = product.home / "site" / "dbt_project" / "models" / "marts" / "own"
    models.mkdir(parents=True)
    (models / "own_figures.sql").write_text("select * from {{ ref('dim_org') }} where nowhere = 1")
    done = run(product, tmp_path / "dagster", RANGE)[RANGE]
    assert (done["success"], done["retries"]) == (False, 0)
    (failure,) = done["failures"]
    assert "own_figures" in failure["description"] and "serves on" in failure["description"]
    assert (product.home / "published" / "current").readlink() == serving
    assert done["checks"]["marts/own_figures:data_tests"][:2] == [False, "ERROR"]
    assert done["checks"]["marts/dim_org:data_tests"][0]
    assert "marts/dim_org" not in done["assets"]


def test_checks_are_evaluated_without_landing_anything(product: Product, tmp_path: Path) -> None:
    step = "checks:billing:payments"
    done = run(product, tmp_path / "dagster", step)[step]
    assert done["success"] and done["assets"] == []
    assert set(done["checks"]) == {
        f"raw/billing/payments:{name}" for name in ("freshness", "volume", "reconciliation")
    }


def test_a_snapshot_counts_as_told_only_when_nothing_of_it_failed_and_what_failed_is_logged(
    product: Product,
) -> None:
    product.run("simulate", "--next-day")
    product.run("ingest")
    product.run("build")
    warehouse = (product.home / "published" / "current").resolve() / "warehouse.duckdb"
    warehouse.chmod(0o600)
    with duckdb.connect(str(warehouse)) as published:
        published.execute("alter table marts.fct_case rename to gone")
    said, logged = planned(product)
    assert "Alert rule 'complaints_surge'" in logged, said
    assert untold(product) is not None
    with duckdb.connect(str(warehouse)) as published:
        published.execute("alter table marts.gone rename to fct_case")
    said, logged = planned(product)
    assert "Alert rule" not in logged, said
    assert untold(product) is None


def untold(product: Product) -> str | None:
    """The tag of the snapshot that was not told yet."""
    return untold_tag(Installation.open(clean_environment(product.home)))


LOOK = """
import dagster as dg
from pipelines.definitions import definitions

with dg.DagsterInstance.ephemeral() as instance:
    sensor = definitions.resolve_sensor_def("alerts_on_publish")
    with dg.build_sensor_context(instance, resources=definitions.resources) as context:
        print(sensor(context).skip_message)
"""


def planned(product: Product) -> tuple[str, str]:
    """What the sensor that tells of publishes said and what it logged."""
    finished = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=PROJECT_ROOT,
        env=clean_environment(product.home),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    return finished.stdout, finished.stderr


def test_errors_become_a_retry_or_a_failure_by_their_own_word() -> None:
    busy = as_dagster(BuildLockedError("busy"), retry_after=5)
    assert type(busy).__name__ == "RetryRequested"
    for error in (BuildFailedError("no"), SettingsError(["wrong"])):
        stopped = as_dagster(error, retry_after=5)
        assert type(stopped).__name__ == "Failure"
        assert stopped.description == str(error)
