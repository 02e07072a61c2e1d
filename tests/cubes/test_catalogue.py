"""Loading and checking declarations, the shipped ones and others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from cubes.axis import axis_names
from cubes.catalogue import (
    Catalogue,
    check_catalogue,
    describe_cube,
    load_catalogue,
    shipped_folder,
)
from cubes.consistency import known_names
from cubes.errors import DeclarationError
from cubes.warehouse import read_warehouse
from tests.cubes.conftest import Ask

FILES = sorted(
    path
    for part in ("dimensions", "definitions", "queries")
    for path in (shipped_folder() / part).glob("*.yml")
)


def _labels(value: Any, place: str) -> list[str]:
    """Places of nouns that people see and that lack a label in zh or en."""
    missing = []
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("measures", "attributes", "dimensions", "parameters") and isinstance(
                item, dict
            ):
                for name, noun in item.items():
                    if set(noun.get("label", {})) != {"zh", "en"}:
                        missing.append(f"{place}.{key}.{name}")
            is_text = key in ("label", "description") or (key == "unit" and "agg" in value)
            if is_text and (
                not isinstance(item, dict) or set(item) != {"zh", "en"} or not all(item.values())
            ):
                missing.append(f"{place}.{key}")
            missing += _labels(item, f"{place}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            missing += _labels(item, f"{place}[{index}]")
    return missing


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_shipped_noun_has_labels_in_both_languages(path: Path) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(data.get("label", {})) == {"zh", "en"}
    assert data.get("owner") and data.get("description")
    times = data.get("time") if path.parent.name == "definitions" else None
    for role in (times or {}).values():
        assert set(role["label"]) == {"zh", "en"}
    assert _labels(data, path.stem) == []


def test_the_shipped_catalogue_fits_the_marts(
    catalogue: Catalogue, marts: duckdb.DuckDBPyConnection
) -> None:
    check_catalogue(catalogue, marts)


def test_shipped_queries_name_organisation_levels_by_position_only(catalogue: Catalogue) -> None:
    for query in catalogue.queries.values():
        if query.sql is not None:
            continue
        known = known_names(catalogue, catalogue.cube(query.cube))
        assert known is not None and {*query.by, *query.cuts} <= known


@pytest.mark.parametrize(
    "name", [cube.cube for cube in load_catalogue([shipped_folder()]).declared_cubes()]
)
def test_every_measure_answers_by_every_name(
    catalogue: Catalogue, marts: duckdb.DuckDBPyConnection, ask: Ask, name: str
) -> None:
    cube = catalogue.cube(name)
    for by in axis_names(catalogue, read_warehouse(marts), cube):
        result = ask(name, list(cube.measures), by, totals="grand", period="2026")
        assert result.totals or not result.rows


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    for part in ("dimensions", "definitions", "queries"):
        (tmp_path / part).mkdir()
    (tmp_path / "dimensions" / "place.yml").write_text(
        "dimension: place\ntable: place\nkey: id\n"
        "attributes:\n  bad: {sql: \"read_csv('x')\"}\n  worse: {sq: x}\n"
    )
    (tmp_path / "dimensions" / "shop.yml").write_text("dimension: shop\ntable: shop\nkey: id\n")
    (tmp_path / "definitions" / "sale.yml").write_text(
        "cube: sale\nfact: sale\ntime: {sold: sold_on}\njoins: {shoop: shop_id, place: place_id}\n"
        "measures:\n  revenue: {agg: sum}\n"
    )
    (tmp_path / "definitions" / "visit.yml").write_text(
        "cube: visit\nfact: visit\njoins:\n  shop: shop_id\n"
        "measures:\n"
        "  visits: {agg: count, where: shp.size > 1}\n"
        "  rate: {ratio: [visit, visits]}\n"
        "  far: {ratio: [visits, visitt.visits]}\n"
        "  deep: {ratio: [rate, visits]}\n"
        "  mixed: {weighted: {rate: 1, visits: 2}}\n"
        "  lost: {weighted: {rat: 1}}\n"
        "  sure: {wilson: [visits, people]}\n"
        "  drawn: {shrunk: [visit, visits]}\n"
        "  over: {ratio: [sure, visits]}\n"
        "  people: {agg: count_distinct, sql: person}\n"
        "variants:\n"
        "  late_visit: {where: 'shp.size > 1', label: {zh: 晚, en: late}}\n"
        "  sale: {where: 'size > 1', label: {zh: 售, en: sale}}\n"
    )
    (tmp_path / "queries" / "ask.yml").write_text(
        'query: ask\ncube: visit\nmeasures: [visitz]\nby: [shpo]\nperiod: "{day}"\n'
    )
    with pytest.raises(DeclarationError) as caught:
        load_catalogue([tmp_path])
    text = str(caught.value)
    for line in (
        "place.yml:6: attributes.worse.sq: unknown key (did you mean 'sql'?)",
        "sale.yml:6: measures.revenue: Value error, agg sum needs 'sql'",
        "visit.yml:6: measures.visits.where: 'shp.size > 1' names 'shp', which is no joined",
        "visit.yml:7: measures.rate.ratio: cube 'visit' has no measure 'visit' (did you mean",
        "visit.yml:8: measures.far.ratio: there is no cube 'visitt' (did you mean 'visit'?)",
        "visit.yml:9: measures.deep.ratio: 'rate' is itself a ratio",
        "visit.yml:10: measures.mixed.weighted.visits: 'visits' is no ratio; only ratios of the",
        "visit.yml:11: measures.lost.weighted.rat: cube 'visit' has no measure 'rat' (did you mean",
        "visit.yml:12: measures.sure.wilson: 'people' does not add up; both must be counts or sums",
        "visit.yml:13: measures.drawn.shrunk: cube 'visit' has no measure 'visit' (did you mean",
        "visit.yml:14: measures.over.ratio: 'sure' is itself computed from measures",
        "visit.yml:17: variants.late_visit.where: 'shp.size > 1' names 'shp', which is no joined",
        "visit.yml:18: variants.sale: there is a cube 'sale' already",
        "ask.yml:3: measures.0: cube 'visit' has no measure 'visitz' (did you mean 'visits'?)",
        "ask.yml:4: by.0: cube 'visit' has no 'shpo' (did you mean 'shop'?)",
        "{day} is no parameter",
    ):
        assert line in text, text
    assert "shop.yml" not in text


def test_names_that_answers_give_to_other_columns_are_refused(tmp_path: Path) -> None:
    for name, text in {
        "dimensions/place": "dimension: place\ntable: place\nkey: id\n"
        "hierarchies: {place: {levels: [{name: city, key: id}]}}\nattributes:\n"
        "  city__id: {sql: post_code}\n  town__id: {sql: post_code}\n",
        "definitions/sale": "cube: sale\nfact: sale\njoins: {place: place_id}\nmeasures:\n"
        "  sales: {agg: count}\n  sales__previous: {agg: count}\n  sales__all: {agg: count}\n",
    }.items():
        path = tmp_path / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with pytest.raises(DeclarationError) as caught:
        load_catalogue([tmp_path])
    told = [(Path(fault.file).name, fault.line, fault.message) for fault in caught.value.faults]
    assert told == [
        (
            "sale.yml",
            6,
            "measures.sales__previous: a comparison of 'sales' gives a column of this name; choose "
            "another",
        ),
        (
            "place.yml",
            6,
            "attributes.city__id: the key of 'city' has the name 'city__id'; choose another",
        ),
    ]


def test_a_category_has_three_levels(ask: Ask) -> None:
    result = ask("cases", "cases", "category.l1,category.l2,category.l3", totals="all")
    assert [column.label for column in result.columns][:3] == ["一级分类", "二级分类", "三级分类"]


def test_the_same_id_in_a_second_folder_must_say_that_it_replaces(tmp_path: Path) -> None:
    (tmp_path / "queries").mkdir()
    text = (shipped_folder() / "queries" / "overdue_cases.yml").read_text(encoding="utf-8")
    (tmp_path / "queries" / "overdue_cases.yml").write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError, match="replaces: true"):
        load_catalogue([shipped_folder(), tmp_path])
    (tmp_path / "queries" / "overdue_cases.yml").write_text(
        text.replace("Overdue cases", "Late cases") + "replaces: true\n", encoding="utf-8"
    )
    found = load_catalogue([shipped_folder(), tmp_path]).named_query("overdue_cases")
    assert found.label.en == "Late cases"


def test_missing_tables_and_columns_and_repeated_keys_are_found(tmp_path: Path) -> None:
    for part in ("dimensions", "definitions"):
        (tmp_path / part).mkdir()
    (tmp_path / "dimensions" / "shop.yml").write_text("dimension: shop\ntable: shop\nkey: id\n")
    (tmp_path / "dimensions" / "town.yml").write_text("dimension: town\ntable: towns\nkey: id\n")
    (tmp_path / "definitions" / "sale.yml").write_text(
        "cube: sale\nfact: sale\njoins: {shop: shop_id}\n"
        "measures:\n  revenue: {agg: sum, sql: amont}\n"
    )
    catalogue = load_catalogue([tmp_path])
    with duckdb.connect() as connection:
        connection.execute("create table shop as select 1 as id from range(3)")
        connection.execute("create table sale as select 1 as shop_id, 2 as amount")
        connection.execute("create table town as select 1 as id")
        with pytest.raises(DeclarationError) as caught:
            check_catalogue(catalogue, connection)
    text = str(caught.value)
    assert "shop.yml:3: key: 2 rows of shop repeat a key" in text
    assert "town.yml:2: table: schema main has no table 'towns' (did you mean 'town'?)" in text
    assert "measures.revenue.sql: table sale has no column 'amont' (did you mean 'amount'?)" in text


def test_a_cube_describes_itself(catalogue: Catalogue, marts: duckdb.DuckDBPyConnection) -> None:
    described = describe_cube(catalogue, "arrears", language="en", warehouse=read_warehouse(marts))
    assert described["label"] == "Arrears"
    measures = {measure["name"]: measure for measure in described["measures"]}
    assert measures["recovery_rate"]["definition"] == "(recovered) / (opening + newly_due)"
    assert measures["balance"]["definition"] == "sum(balance), last day of the cut"
    org = next(item for item in described["dimensions"] if item["name"] == "org")
    assert "org.prefecture" in org["levels"]
