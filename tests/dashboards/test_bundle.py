"""The bundle: the same bytes every time, whole, in both languages, and with its rows bound."""

from __future__ import annotations

from pathlib import Path

import duckdb

from cubes.catalogue import Catalogue
from cubes.warehouse import Warehouse
from dashboards.bundle import RULES, Bundle, make_bundle, write_bundle
from dashboards.bundle_check import bundle_faults, view_faults
from dashboards.check import dashboard_faults
from dashboards.declaration import load_dashboards
from pipelines.settings import PROJECT_ROOT
from tests.dashboards.conftest import ZONE


def make(catalogue: Catalogue, warehouse: Warehouse) -> Bundle:
    found = load_dashboards([PROJECT_ROOT / "dashboards"])
    return make_bundle(
        catalogue,
        warehouse,
        {slug: dashboard for slug, (dashboard, _) in found.items()},
        database=Path("/srv/huiyin/published/current/warehouse.duckdb"),
        zone=ZONE,
        threads=2,
        memory_limit="1GB",
    )


def test_the_bundle_is_the_same_every_time_and_replaces_what_was_there(
    catalogue: Catalogue, warehouse: Warehouse, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    write_bundle({"charts/old.yaml": {"uuid": "x"}}, folder)
    contents = []
    for _ in range(2):
        write_bundle(make(catalogue, warehouse), folder)
        contents.append(
            {
                str(path.relative_to(folder)): path.read_bytes()
                for path in sorted(folder.rglob("*.yaml"))
            }
        )
    assert contents[0] == contents[1]
    assert "charts/old.yaml" not in contents[0]


def test_the_shipped_dashboard_has_at_least_ten_charts_in_each_language_and_no_fault(
    catalogue: Catalogue,
    warehouse: Warehouse,
    marts: duckdb.DuckDBPyConnection,
    tmp_path: Path,
) -> None:
    found = load_dashboards([PROJECT_ROOT / "dashboards"])
    assert dashboard_faults(catalogue, warehouse, found) == []
    bundle = make(catalogue, warehouse)
    titles = {
        bundle[f"dashboards/{slug}.yaml"]["dashboard_title"] for slug in ("overview", "overview-en")
    }
    assert titles == {"经营与反馈总览", "Operations and feedback"}
    for prefix in ("charts/overview_", "charts/overview-en_"):
        assert sum(path.startswith(prefix) for path in bundle) >= 10
    write_bundle(bundle, tmp_path / "bundle")
    assert bundle_faults(tmp_path / "bundle", catalogue, warehouse) == []
    assert view_faults(tmp_path / "bundle", marts) == []


def test_every_dataset_with_units_has_a_row_rule_and_the_other_shows_nothing_of_anybody(
    catalogue: Catalogue, warehouse: Warehouse
) -> None:
    bundle = make(catalogue, warehouse)
    free = {
        content["table_name"]
        for path, content in bundle.items()
        if path.startswith("datasets/") and content["uuid"] not in bundle[RULES]
    }
    assert free == {"data_status"}
    scope = (
        "(select org_unit_id from marts.account_scope "
        "where account_id = '{{ current_username() }}')"
    )
    of_no_unit = {"deliveries", "deliveries_en", "exchange_events", "exchange_events_en"}
    for content in bundle.values():
        if content.get("uuid") in bundle[RULES]:
            # What belongs to no unit is for accounts without bounds alone.
            unit = "" if content["table_name"] in of_no_unit else f"org_unit_id in {scope} or "
            assert bundle[RULES][content["uuid"]] == f"{unit}'*' in {scope}"


def test_the_database_is_read_only_locked_and_out_of_sql_lab(
    catalogue: Catalogue, warehouse: Warehouse
) -> None:
    database = make(catalogue, warehouse)["databases/huiyin.yaml"]
    config = database["extra"]["engine_params"]["connect_args"]["config"]
    assert database["expose_in_sqllab"] is False and database["allow_dml"] is False
    assert config["access_mode"] == "READ_ONLY" and config["enable_external_access"] is False
    assert config["lock_configuration"] is True


def test_charts_that_no_period_may_limit_are_out_of_the_time_filter(
    catalogue: Catalogue, warehouse: Warehouse
) -> None:
    asset = make(catalogue, warehouse)["dashboards/overview.yaml"]
    numbers = {
        part["meta"]["chartId"]: key
        for key, part in asset["position"].items()
        if isinstance(part, dict) and part.get("type") == "CHART"
    }
    period, *members = asset["metadata"]["native_filter_configuration"]
    assert {numbers[number] for number in period["scope"]["excluded"]} == {
        "CHART-status",
        "CHART-backlog",
    }
    chained = {item["id"]: item["cascadeParentIds"] for item in members}
    assert chained["NATIVE_FILTER-org-l3"] == ["NATIVE_FILTER-org-l2"]
