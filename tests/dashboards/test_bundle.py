"""The bundle: the same bytes every time, whole, in both languages, and with its rows bound."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import yaml

from cubes.catalogue import Catalogue, load_catalogue, shipped_folder
from cubes.label import LANGUAGES
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from cubes.warehouse import Warehouse
from dashboards.bundle import RULES, Bundle, make_bundle, row_rule, write_bundle
from dashboards.bundle_check import bundle_faults, view_faults
from dashboards.chart import resolved
from dashboards.check import dashboard_faults
from dashboards.dataset import datasets
from dashboards.declaration import load_dashboards
from dashboards.identity import slug_of
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


def test_every_shipped_dashboard_has_its_charts_in_each_language_and_no_fault(
    catalogue: Catalogue,
    warehouse: Warehouse,
    marts: duckdb.DuckDBPyConnection,
    tmp_path: Path,
) -> None:
    found = load_dashboards([PROJECT_ROOT / "dashboards"])
    assert dashboard_faults(catalogue, warehouse, found) == []
    bundle = make(catalogue, warehouse)
    for slug, (dashboard, _) in found.items():
        for language in LANGUAGES:
            localised = slug_of(slug, language)
            asset = bundle[f"dashboards/{localised}.yaml"]
            assert asset["dashboard_title"] == dashboard.title.text(language)
            charts = {path for path in bundle if path.startswith(f"charts/{localised}_")}
            assert charts == {f"charts/{localised}_{name}.yaml" for name in dashboard.charts}
    write_bundle(bundle, tmp_path / "bundle")
    assert bundle_faults(tmp_path / "bundle", catalogue, warehouse) == []
    assert view_faults(tmp_path / "bundle", marts) == []


def test_every_text_of_a_shipped_dashboard_is_written_in_both_languages() -> None:
    for dashboard, path in load_dashboards([PROJECT_ROOT / "dashboards"]).values():
        headings = [section.heading for section in dashboard.sections if section.heading]
        charts = [chart.title for chart in dashboard.charts.values()]
        described = [chart.description for chart in dashboard.charts.values() if chart.description]
        for label in (dashboard.title, dashboard.description, *headings, *charts, *described):
            assert re.search("[\u4e00-\u9fff]", label.zh) and not label.zh.isascii(), path
            assert label.en and not re.search("[\u4e00-\u9fff]", label.en), (path, label)


def test_no_shipped_dashboard_names_a_level_or_a_member_of_one_organisation() -> None:
    for dashboard, path in load_dashboards([PROJECT_ROOT / "dashboards"]).values():
        for chart in dashboard.charts.values():
            for name in (*chart.by, *chart.across, *chart.fields, *chart.cuts):
                role, _, part = name.partition(".")
                if role in ("org", "holder", "judged", "responsible", "unit_at_due"):
                    assert re.fullmatch(r"l[1-8]|unit|unit_type|level_name", part), (path, name)


def test_each_digest_has_a_report_that_names_the_queries_and_measures_of_its_message(
    catalogue: Catalogue, warehouse: Warehouse
) -> None:
    found = load_dashboards([PROJECT_ROOT / "dashboards"])
    digests = sorted((PROJECT_ROOT / "notifications" / "digests").glob("*.yml"))
    assert digests
    for path in digests:
        digest = yaml.safe_load(path.read_text(encoding="utf-8"))
        dashboard, _ = found[f"report-{digest['digest'].replace('_', '-')}"]
        shown: dict[str, set[str]] = {}
        for chart in dashboard.charts.values():
            if chart.query is not None:
                shown.setdefault(chart.query, set()).update(resolved(chart, catalogue).measures)
        for value in digest["values"].values():
            query = digest["tables"][value["table"]]["query"]
            assert value["measure"] in shown[query], (path.stem, query, value["measure"])
        assert digest["trend"]["measure"] in shown[digest["trend"]["query"]]


def test_details_link_to_the_page_of_a_case_but_not_from_that_page(
    catalogue: Catalogue, warehouse: Warehouse
) -> None:
    bundle = make(catalogue, warehouse)
    lists = [
        path
        for path, content in bundle.items()
        if path.startswith("charts/") and "case_no" in content["params"].get("all_columns", [])
    ]
    assert any("/complaints-en_" in path for path in lists)
    for path in lists:
        columns = bundle[path]["params"]["all_columns"]
        assert ("case_no_link" in columns) == (not path.startswith("charts/case")), path
    link = next(
        column["expression"]
        for column in bundle["datasets/huiyin/cases_en.yaml"]["columns"]
        if column["column_name"] == "case_no_link"
    )
    (chosen,) = bundle["dashboards/case-en.yaml"]["metadata"]["native_filter_configuration"]
    assert f"/superset/dashboard/case-en/?native_filters=({chosen['id']}:" in link


def test_hierarchies_of_filters_cascade_from_the_coarsest_level() -> None:
    for dashboard, path in load_dashboards([PROJECT_ROOT / "dashboards"]).values():
        members = {member.by: member.within for member in dashboard.filters.members}
        for name, within in members.items():
            role, _, part = name.partition(".")
            level = re.fullmatch(r"l(\d)", part)
            coarser = f"{role}.l{int(level.group(1)) - 1}" if level else None
            if coarser in members:
                assert within == coarser, (path, name)


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


def test_a_row_rule_shows_by_a_second_unit_what_the_cube_shows(
    tmp_path: Path, marts: duckdb.DuckDBPyConnection, warehouse: Warehouse
) -> None:
    (tmp_path / "definitions").mkdir()
    text = (shipped_folder() / "definitions" / "cases.yml").read_text(encoding="utf-8")
    changed = text.replace("scope: none", "scope: second", 1) + "replaces: true\n"
    (tmp_path / "definitions" / "cases.yml").write_text(changed, encoding="utf-8")
    catalogue = load_catalogue([shipped_folder(), tmp_path])
    dataset = datasets(catalogue, warehouse, "zh", ZONE)["cases"]
    assert dataset.unit_columns == ["org_unit_id", "holder_unit_id"]
    rule = row_rule(dataset).replace("{{ current_username() }}", "handler")
    marts.execute("begin")
    marts.execute("update marts.fct_case set holder_unit_id = '510102' where case_no in ('d', 'f')")
    marts.execute("create table marts.account_scope (account_id varchar, org_unit_id varchar)")
    marts.execute("insert into marts.account_scope values ('handler', '510102')")
    seen = marts.execute(f"select case_no from cube.cases where {rule} order by 1").fetchall()
    query = CubeQuery("cases", ("cases",))
    (figure,) = run_query(
        catalogue, marts, query, scope=Scope.units(["510102"]), business_date=None
    ).rows
    marts.execute("rollback")
    assert [number for (number,) in seen] == ["c", "d", "f"] and figure == {"cases": 3}


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


def test_a_dashboard_that_may_look_empty_says_why(
    catalogue: Catalogue, warehouse: Warehouse
) -> None:
    bundle = make(catalogue, warehouse)
    told = {
        slug: bundle[f"dashboards/{slug}.yaml"]["position"]["MARKDOWN-note"]["meta"]["code"]
        for slug in ("case", "case-en", "deliveries", "deliveries-en")
    }
    assert told["case"] == "在上方选择工单号，或在其他看板的明细里点“查看”打开。"
    assert "Case number" in told["case-en"]
    assert told["deliveries"].endswith("：送达。") and "Deliveries" in told["deliveries-en"]
    for path, content in bundle.items():
        if path.startswith("dashboards/") and "MARKDOWN-note" in content["position"]:
            assert content["position"]["GRID_ID"]["children"][1] == "ROW-note", path
    assert "MARKDOWN-note" not in bundle["dashboards/overview.yaml"]["position"]


def test_no_member_is_grey_in_every_chart(catalogue: Catalogue, warehouse: Warehouse) -> None:
    for path, content in make(catalogue, warehouse).items():
        if path.startswith("dashboards/"):
            colours = content["metadata"]["label_colors"]
            assert colours["（空）"] == colours["(none)"] == colours["<NULL>"]


def test_the_list_of_complaints_holds_as_many_rows_as_there_are_complaints(
    catalogue: Catalogue, warehouse: Warehouse, marts: duckdb.DuckDBPyConnection
) -> None:
    asset = make(catalogue, warehouse)["charts/complaints_cases.yaml"]
    (cut,) = asset["params"]["adhoc_filters"][1:]
    listed = marts.execute(
        f"select case_no from cube.cases where list_contains(?, {cut['subject']})",
        [cut["comparator"]],
    ).fetchall()
    query = CubeQuery("cases", ("cases", "complaints"))
    (found,) = run_query(catalogue, marts, query, scope=Scope.all(), business_date=None).rows
    assert 0 < len(listed) == found["complaints"] < found["cases"]


def test_the_title_of_a_narrow_card_fits_on_one_line() -> None:
    for dashboard, path in load_dashboards([PROJECT_ROOT / "dashboards"]).values():
        widths = {
            name: width
            for section in dashboard.sections
            for row in section.rows
            for name, width in row.charts.items()
        }
        for name, chart in dashboard.charts.items():
            if chart.viz == "number" and widths[name] <= 3:
                # A second line pushes what stands below the figure out of the card.
                assert len(chart.title.en) <= 24 and len(chart.title.zh) <= 14, (path, name)
