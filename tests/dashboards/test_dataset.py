"""Datasets: their metrics give the number of the cube, their columns are what people read."""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest

from cubes.catalogue import Catalogue, load_catalogue, shipped_folder
from cubes.label import LANGUAGES
from cubes.warehouse import Warehouse
from dashboards.dataset import Dataset, datasets
from dashboards.link import is_link, link_sql
from tests.dashboards.conftest import ZONE
from tests.dashboards.metrics import ask_cube_for, ask_view_for, assert_equal

CUBES = [cube.cube for cube in load_catalogue([shipped_folder()]).declared_cubes()]
# A view cannot give what rests on another cube, on the other rows of the answer or on days without
# a row.
NO_METRIC = {
    ("backlog", "mean_backlog"),
    ("cases", "complaints_per_10k"),
    ("sla", "on_time_shrunk"),
}
PERIODS = (None, (date(2026, 3, 1), date(2026, 3, 30)), (date(2026, 1, 1), date(2026, 3, 15)))


@pytest.mark.parametrize("cube", CUBES)
def test_the_metrics_over_a_view_are_the_measures_of_the_cube(
    catalogue: Catalogue, warehouse: Warehouse, marts: duckdb.DuckDBPyConnection, cube: str
) -> None:
    dataset = datasets(catalogue, warehouse, "zh", ZONE)[cube]
    measures = [name for name in dataset.cube.measures if (cube, name) not in NO_METRIC]
    assert set(measures) == set(dataset.metrics) and measures
    time = dataset.cube.default_time
    # Deliveries are of no unit.
    high, low, unit = (
        ("org.l2", "org.l3", "org.unit")
        if "org" in dataset.cube.joins
        else ("stream", "branch", "source")
    )
    groups: list[tuple[str, ...]] = [(high,), (unit,), (f"{time}.month",)]
    groups += [(high, f"{time}.month"), (f"{time}.quarter",), (f"{time}.year", low)]
    if dataset.cube.time[str(time)].grain == "day":
        groups += [(f"{time}.week",), (f"{time}.day", high)]
    # Each grouping in a period of its own, and the total in all of them.
    asked: list[tuple[tuple[str, ...], Any]] = [((), period) for period in PERIODS]
    asked += [(by, PERIODS[place % len(PERIODS)]) for place, by in enumerate(groups)]
    for by, period in asked:
        found = ask_view_for(marts, dataset, measures, by, period)
        expected = ask_cube_for(marts, dataset, measures, by, period)
        for measure in measures:
            what = f"{cube}.{measure} by {by} in {period}"
            assert_equal(found[measure], expected[measure], what)


def test_levels_carry_the_operators_names_and_people_read_labels_instead_of_codes(
    catalogue: Catalogue, warehouse: Warehouse
) -> None:
    labels = {}
    for language in LANGUAGES:
        asset = Dataset(catalogue, warehouse, catalogue.cube("cases"), language, ZONE).asset()
        labels[language] = {
            column["column_name"]: column["verbose_name"] for column in asset["columns"]
        }
    levels = {f"org_l{level.level}": level.label for level in warehouse.org_levels}
    for name, label in levels.items():
        assert (labels["zh"][name], labels["en"][name]) == (label.zh, label.en)
    assert labels["zh"]["kind_label"] == "类型"
    assert labels["en"]["holder_l2"].startswith("Holder: ")
    hidden = {"kind", "case_key", "reporter_key", "customer_id", "org_unit_id", "org_l1_id"}
    assert not hidden & labels["zh"].keys()


def test_dimensions_come_first_and_figures_of_a_single_row_are_no_filters(
    catalogue: Catalogue, warehouse: Warehouse
) -> None:
    asset = Dataset(catalogue, warehouse, catalogue.cube("sales"), "zh", ZONE).asset()
    columns = {column["column_name"]: column for column in asset["columns"]}
    assert columns["amount"]["filterable"] is False
    assert columns["product_family_label"]["filterable"] is True
    order = list(columns)
    assert order.index("org_l2") < order.index("sold_on") < order.index("amount")


def test_every_metric_has_a_label_a_format_and_its_definition(
    catalogue: Catalogue, warehouse: Warehouse
) -> None:
    for language in LANGUAGES:
        for dataset in datasets(catalogue, warehouse, language, ZONE).values():
            for metric in dataset.asset()["metrics"]:
                assert metric["verbose_name"] and metric["d3format"] and metric["description"]


def test_a_duration_is_offered_in_each_unit_and_every_other_measure_once(
    catalogue: Catalogue, warehouse: Warehouse, marts: duckdb.DuckDBPyConnection
) -> None:
    dataset = Dataset(catalogue, warehouse, catalogue.cube("cases"), "zh", ZONE)
    names = [metric.name for metric in dataset.offered.values() if metric.measure == "reply_p90"]
    assert names == ["reply_p90", "reply_p90__minutes", "reply_p90__hours"]
    labels = [dataset.offered[name].label for name in names]
    assert labels == [f"首次回复时长九成位（{unit}）" for unit in ("秒", "分钟", "小时")]
    listed = ", ".join(dataset.offered[name].sql for name in names)
    seconds, minutes, hours = marts.execute(f"select {listed} from cube.cases").fetchone() or ()
    assert seconds > 0 and (minutes, hours) == (seconds / 60, seconds / 3600)
    once = [metric.name for metric in dataset.offered.values() if metric.measure == "complaints"]
    assert once == ["complaints"]


def test_a_detail_links_to_its_page_whatever_signs_its_value_has(
    catalogue: Catalogue, warehouse: Warehouse
) -> None:
    number = "a'b!c&d\"<e>/f g(中)"
    with duckdb.connect() as connection:
        connection.execute("create table rows (case_no varchar)")
        connection.execute("insert into rows values (?), (null)", [number])
        sql = link_sql("case_no", "case", "zh")
        found = connection.execute(f"select {sql} from rows").fetchall()
    assert found[1] == (None,)
    written = str(found[0][0])
    address = re.fullmatch(r'<a href="([^"<>]*)">查看</a>', written)
    assert address is not None, written
    parts = urlsplit(address.group(1))
    assert parts.path == "/superset/dashboard/case/"
    chosen = parse_qs(parts.query, strict_parsing=True)["native_filters"][0]
    escaped = number.replace("!", "!!").replace("'", "!'")
    assert chosen.count(f"'{escaped}'") == 3
    assert is_link("case_no_link", sql) and not is_link("case_no_link", sql + " || '<b>'")
