"""The check finds each planted fault at its file and line, and all of them in one report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cubes.catalogue import Catalogue
from cubes.errors import DeclarationError, Fault
from cubes.warehouse import Warehouse
from dashboards.bundle import write_bundle
from dashboards.bundle_check import bundle_faults
from dashboards.check import dashboard_faults
from dashboards.declaration import load_dashboards
from pipelines.settings import PROJECT_ROOT
from tests.dashboards.test_bundle import make

SHIPPED = PROJECT_ROOT / "dashboards" / "overview" / "dashboard.yml"

NAMES = [
    ("measures: complaints\n    compare", "measures: complants\n    compare", "complaints"),
    ("cube: sales", "cube: salse", "'sales'"),
    ("by: channel", "by: chanel", "'channel'"),
    ("across: kind", "across: kinds", "'kind'"),
    ("time: none", "time: nonne", "there is no time"),
    ("order: balance", "order: amount", "none of the chart's measures"),
    ("measures: complaints\n    by", "measures: complaints_per_10k\n    by", "no dataset has it"),
    ("measures: cases\n    by: channel", "measures: score_avg\n    by: channel", "add up"),
    ("{cube: cases, by: channel}", "{cube: cases, by: kanal}", "has no 'kanal'"),
    ("within: org.l3}", "within: org.l7}", "no filter before"),
    ("{trend: 8, channels: 4}", "{trends: 8, channels: 4}", "did you mean 'trend'"),
]


@pytest.mark.parametrize(("right", "wrong", "said"), NAMES)
def test_a_wrong_name_in_a_dashboard_is_found_with_its_line(
    catalogue: Catalogue, warehouse: Warehouse, tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert right in text
    changed = text.replace(right, wrong, 1)
    (tmp_path / "overview").mkdir()
    path = tmp_path / "overview" / "dashboard.yml"
    path.write_text(changed, encoding="utf-8")
    faults = dashboard_faults(catalogue, warehouse, load_dashboards([tmp_path]))
    found = [fault for fault in faults if said in fault.message]
    assert found, faults
    # A wrong line is the one that holds the name, or the first of the value it stands in.
    line = next(
        number
        for number, (old, new) in enumerate(
            zip(text.splitlines(), changed.splitlines(), strict=True), start=1
        )
        if old != new
    )
    assert found[0].file == str(path) and found[0].line == line


SMALL = """\
dashboard: small
opens: case_no
title: {zh: 小, en: Small}
description: {zh: 小看板, en: A small one}
owner: somebody
filters:
  period:
    label: {zh: 时间, en: Period}
  members:
    - {cube: cases, by: case_no}
charts:
  asked:
    viz: number
    title: {zh: 投诉, en: Complaints}
    query: complaints
    measures: complaints
  rates:
    viz: table
    title: {zh: 率, en: Rates}
    cube: cases
    measures: [cases, reply_on_time_rate]
    by: [org.l2, created.day]
    targets: {reply_on_time_rate: 0.9}
  rows:
    viz: detail
    title: {zh: 行, en: Rows}
    cube: cases
    fields: [case_no, created.moment, due, org.l3, score]
    cuts: {is_open: "true"}
    order: -due
sections:
  - rows:
      - {height: 20, charts: {asked: 4, rates: 4, rows: 4}}
"""

SMALL_NAMES = [
    ("query: complaints", "query: complants", "did you mean 'complaints'"),
    ("query: complaints", "query: sla_due_ahead", "asks no cube"),
    ("measures: complaints", "measures: revenue", "has no measure 'revenue'"),
    ("measures: complaints", "measures: reply_on_time_rate", "may have no value"),
    ("{reply_on_time_rate: 0.9}", "{reopen_rate: 0.9}", "none of the chart's measures"),
    ("[org.l2, created.day]", "[org.l2, created.week]", "stands first in 'by'"),
    ("org.l3, score]", "org.l3, scores]", "did you mean 'score'"),
    ("created.moment, due", "created.week, due", "write 'created' or 'created.moment'"),
    ('{is_open: "true"}', '{is_open: "yes"}', "has no value 'yes'"),
    ('{is_open: "true"}', "{kind: complaint}", "are not declared"),
    ("order: -due", "order: -kind", "none of the chart's fields"),
    ("opens: case_no", "opens: order_no", "no filter of the dashboard is by 'order_no'"),
]


def _faults(
    catalogue: Catalogue, warehouse: Warehouse, folder: Path, **texts: str
) -> tuple[list[Fault], dict[str, Path]]:
    paths = {}
    for slug, text in texts.items():
        paths[slug] = folder / slug / "dashboard.yml"
        paths[slug].parent.mkdir()
        paths[slug].write_text(text, encoding="utf-8")
    return dashboard_faults(catalogue, warehouse, load_dashboards([folder])), paths


@pytest.mark.parametrize(("right", "wrong", "said"), SMALL_NAMES)
def test_a_wrong_name_in_a_query_a_target_a_cut_or_a_row_is_found_with_its_line(
    catalogue: Catalogue, warehouse: Warehouse, tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    assert right in SMALL
    changed = SMALL.replace(right, wrong, 1)
    (fault, *others), paths = _faults(catalogue, warehouse, tmp_path, small=changed)
    assert not others and said in fault.message, (fault, others)
    lines = zip(SMALL.splitlines(), changed.splitlines(), strict=True)
    line = next(number for number, (old, new) in enumerate(lines, start=1) if old != new)
    assert (fault.file, fault.line) == (str(paths["small"]), line)


def test_two_dashboards_cannot_be_the_page_of_the_same_detail(
    catalogue: Catalogue, warehouse: Warehouse, tmp_path: Path
) -> None:
    other = SMALL.replace("dashboard: small", "dashboard: tiny")
    faults, paths = _faults(catalogue, warehouse, tmp_path, small=SMALL, tiny=other)
    assert [(fault.file, fault.line) for fault in faults] == [(str(paths["tiny"]), 2)]
    assert "'small' is already the page of 'case_no'" in faults[0].message


CONTRADICTIONS = [
    ("    fields: [case_no", "    measures: cases\n    fields: [case_no", "no measures"),
    ("    cube: cases\n    measures: [", "    fields: [due]\n    cube: cases\n    measures: [",
     "'fields' belongs to a detail"),
    ("    measures: complaints", "    measures: [complaints, cases]", "exactly one measure"),
    ("    order: -due", "    order: -due\n    time: none\n    period: Last day",
     "'period' belongs to a chart with a time"),
    ("    targets: {reply_on_time_rate: 0.9}", "    compare: previous",
     "'compare' belongs to a number or a line"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "said"), CONTRADICTIONS)
def test_keys_that_do_not_go_together_are_refused(
    tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    assert right in SMALL
    (tmp_path / "small").mkdir()
    path = tmp_path / "small" / "dashboard.yml"
    path.write_text(SMALL.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(DeclarationError) as raised:
        load_dashboards([tmp_path])
    assert said in " ".join(fault.message for fault in raised.value.faults)


def test_an_unknown_key_or_too_wide_a_row_is_refused(tmp_path: Path) -> None:
    (tmp_path / "overview").mkdir()
    text = SHIPPED.read_text(encoding="utf-8").replace("compare: previous", "compared: x", 1)
    text = text.replace("{trend: 8, channels: 4}", "{trend: 9, channels: 4}")
    (tmp_path / "overview" / "dashboard.yml").write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError) as raised:
        load_dashboards([tmp_path])
    messages = " ".join(fault.message for fault in raised.value.faults)
    assert "did you mean 'compare'" in messages and "13 wide" in messages


def _own_metric(chart: dict[str, Any]) -> None:
    chart["params"]["metrics"] = [
        {"expressionType": "SQL", "sqlExpression": "sum(amount)", "label": "x"}
    ]


def _own_aggregate(chart: dict[str, Any]) -> None:
    chart["params"]["metrics"] = [
        {"expressionType": "SIMPLE", "aggregate": "SUM", "column": {"column_name": "score"}}
    ]


def _own_column(chart: dict[str, Any]) -> None:
    chart["params"]["groupby"] = [
        {"expressionType": "SQL", "sqlExpression": "upper(kind)", "label": "x"}
    ]


def _own_filter(chart: dict[str, Any]) -> None:
    chart["params"]["adhoc_filters"] = [
        {"expressionType": "SQL", "clause": "WHERE", "sqlExpression": "1 = 1"}
    ]


def _own_where(chart: dict[str, Any]) -> None:
    chart["params"]["extra_form_data"] = {"where": "1 = 1"}


def _unknown_metric(chart: dict[str, Any]) -> None:
    chart["params"]["metrics"] = ["casses"]


def _unknown_column(chart: dict[str, Any]) -> None:
    chart["params"]["x_axis"] = "created_onn"


def _unknown_in_query(chart: dict[str, Any]) -> None:
    chart["query_context"] = '{"queries": [{"metrics": ["casses"], "columns": []}]}'


def _virtual(dataset: dict[str, Any]) -> None:
    dataset["sql"] = "select 1"


def _unknown_view(dataset: dict[str, Any]) -> None:
    dataset["table_name"] = "casess"


def _mart(dataset: dict[str, Any]) -> None:
    dataset["schema"], dataset["table_name"] = "marts", "fct_case"


def _other_sum(dataset: dict[str, Any]) -> None:
    dataset["metrics"][0]["expression"] = "count(*) * 2"


def _more_metrics(dataset: dict[str, Any]) -> None:
    dataset["metrics"].append({"metric_name": "mine", "expression": "count(*)"})


def _computed_column(dataset: dict[str, Any]) -> None:
    dataset["columns"].append({"column_name": "mine", "expression": "upper(kind)"})


def _missing_column(dataset: dict[str, Any]) -> None:
    dataset["columns"].append({"column_name": "org_l9", "expression": None})


def _lost_chart(dashboard: dict[str, Any]) -> None:
    dashboard["position"]["CHART-trend"]["meta"]["uuid"] = "0"


def _lost_filter(dashboard: dict[str, Any]) -> None:
    filters = dashboard["metadata"]["native_filter_configuration"]
    filters[1]["targets"][0]["column"]["name"] = "org_l9"


CHART, DATASET = "charts/overview_trend.yaml", "datasets/huiyin/cases.yaml"
BOARD = "dashboards/overview.yaml"
PLANTED: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    (CHART, _own_metric, "SQL of its own (sum(amount))"),
    (CHART, _own_aggregate, "metric of its own (SUM of score)"),
    (CHART, _own_column, "SQL of its own (upper(kind))"),
    (CHART, _own_filter, "SQL of its own (1 = 1)"),
    (CHART, _own_where, "SQL of its own (1 = 1)"),
    (CHART, _unknown_metric, "did you mean 'cases'"),
    (CHART, _unknown_column, "did you mean 'created_on'"),
    (CHART, _unknown_in_query, "no metric 'casses'"),
    (DATASET, _virtual, "virtual dataset"),
    (DATASET, _unknown_view, "no view of a cube"),
    (DATASET, _mart, "no view of a cube"),
    (DATASET, _other_sum, "another way"),
    (DATASET, _more_metrics, "no measure"),
    (DATASET, _computed_column, "computed by SQL"),
    (DATASET, _missing_column, "no column 'org_l9'"),
    (BOARD, _lost_chart, "not in the bundle"),
    (BOARD, _lost_filter, "no column 'org_l9'"),
]


def _plant(folder: Path, path: str, change: Callable[[dict[str, Any]], None]) -> None:
    file = folder / path
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


@pytest.mark.parametrize(("path", "change", "said"), PLANTED)
def test_what_leads_past_the_cubes_is_found_in_an_exported_folder(
    catalogue: Catalogue,
    warehouse: Warehouse,
    tmp_path: Path,
    path: str,
    change: Callable[[dict[str, Any]], None],
    said: str,
) -> None:
    # An export of Superset has one folder more around it.
    folder = tmp_path / "export" / "dashboard_export_20260331"
    folder.parent.mkdir()
    write_bundle(make(catalogue, warehouse), folder)
    _plant(folder, path, change)
    faults = bundle_faults(tmp_path / "export", catalogue, warehouse)
    found = [fault for fault in faults if said in fault.message]
    assert found and found[0].file == str(folder / path) and found[0].line > 0, faults


def test_all_faults_stand_in_one_report(
    catalogue: Catalogue, warehouse: Warehouse, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    write_bundle(make(catalogue, warehouse), folder)
    for path, change in ((CHART, _own_metric), (DATASET, _other_sum), (BOARD, _lost_chart)):
        _plant(folder, path, change)
    files = {fault.file for fault in bundle_faults(folder, catalogue, warehouse)}
    assert files == {str(folder / path) for path in (CHART, DATASET, BOARD)}


def test_a_folder_without_assets_is_no_bundle(
    catalogue: Catalogue, warehouse: Warehouse, tmp_path: Path
) -> None:
    (fault,) = bundle_faults(tmp_path, catalogue, warehouse)
    assert "holds no datasets" in fault.message
