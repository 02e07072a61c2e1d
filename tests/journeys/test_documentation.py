"""The page that says what every table and column means, of a finished demonstration."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import duckdb
import pytest

from pipelines.dbt_run import DBT_PROJECT
from pipelines.settings import PROJECT_ROOT
from tests.journeys.product import Product

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("demonstration")]


def artifacts(page: str) -> tuple[dict, dict]:  # type: ignore[type-arg]
    """Manifest and catalog as the page holds them."""
    decoder = json.JSONDecoder()
    manifest, end = decoder.raw_decode(page, page.index('{"metadata":'))
    catalog, _ = decoder.raw_decode(page, page.index('{"metadata":', end))
    return manifest, catalog


def test_the_page_tells_every_mart_with_types_and_no_value_person_or_place(
    copied: Product, tmp_path: Path
) -> None:
    own = copied.home / "site" / "dbt_project" / "models" / "marts" / "own"
    own.mkdir(parents=True)
    (own / "fct_own.sql").write_text("select 1 as one", encoding="utf-8")
    # A process that has the unpublished marts open, as a build has, is not in the way.
    with duckdb.connect(str(copied.home / "warehouse.duckdb")):
        copied.run("docs", str(tmp_path / "site"))
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["index.html"]
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    manifest, catalog = artifacts(page)
    with copied.snapshot() as snapshot:
        columns = snapshot.execute(
            "select table_name, column_name, data_type from duckdb_columns() "
            "where schema_name = 'marts' and table_name not in ('build', 'build_batch')"
        ).fetchall()
        values = snapshot.execute(
            "select distinct phone_key from marts.dim_staff where phone_key is not null limit 50"
        ).fetchall()
    assert columns and values
    for table, column, kind in columns:
        told = catalog["nodes"][f"model.huiyin.{table}"]["columns"][column]
        assert told["type"] == kind, (table, column)
    assert "model.huiyin.fct_own" in manifest["nodes"]
    steps = catalog["nodes"]["model.huiyin.int_feedback__case_event"]["columns"]
    assert steps["event_id"]["type"] == "VARCHAR"
    assert (
        "The journey of a figure" in manifest["docs"]["doc.huiyin.__overview__"]["block_contents"]
    )
    for secret in (*(value for (value,) in values), str(copied.home), str(PROJECT_ROOT)):
        assert secret not in page
    assert str(DBT_PROJECT) not in page


def test_it_waits_for_a_build_only_as_long_as_it_is_told_and_gives_the_same_page_again(
    copied: Product, tmp_path: Path
) -> None:
    page = tmp_path / "site" / "index.html"
    with (copied.home / "build.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = copied.run("docs", str(page.parent), expect=3, HUIYIN_BUILD_WAIT_MINUTES="0")
        assert "Try again when it has finished" in said and not page.exists()
    copied.run("docs", str(page.parent))
    before = page.read_bytes()
    copied.run("docs", str(page.parent))
    assert page.read_bytes() == before
    assert [path for path in (copied.home / "documentation").iterdir() if path.is_dir()] == []
