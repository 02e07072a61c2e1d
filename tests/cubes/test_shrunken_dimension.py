"""Aggregates that keep levels and attributes of a dimension in place of its members."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cubes.aggregate_check import compare_aggregates
from cubes.aggregate_table import build_aggregates
from cubes.catalogue import Catalogue, load_catalogue
from cubes.query import CubeQuery, CubeResult, run_query
from cubes.scope import Scope

FILES = {
    "dimensions/org": """
dimension: org
table: dim_org
key: org_unit_id
history: dim_org_history
scope: true
hierarchies: {org: {levels: from org_level}}
""",
    "dimensions/product": """
dimension: product
table: product
key: product_id
name: product_name
parent: {table: family, key: family_id, on: family_id}
hierarchies:
  range:
    levels:
      - {name: family, sql: {zh: parent.family_zh, en: parent.family_en}, key: parent.family_id}
      - {name: series, sql: series}
attributes:
  price_class: {sql: case when price > 10 then 'dear' else 'cheap' end}
""",
    "definitions/sale": """
cube: sale
fact: sale
time: {on: sold_on}
joins: {org: org_unit_id, product: product_id}
measures:
  sales: {agg: count}
  amount: {agg: sum, sql: amount}
aggregates:
  by_region: {by: [on.month, org.l2, product.series, product.price_class]}
  by_unit: {by: [on.day, org, product]}
""",
}


@pytest.fixture
def sales() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        run = connection.execute
        run("create table org_level (level int, name varchar, label_zh varchar, label_en varchar)")
        run("insert into org_level values (1, 'province', '省', 'Province')")
        run("insert into org_level values (2, 'prefecture', '市州', 'Prefecture')")
        run("insert into org_level values (3, 'county', '区县', 'County')")
        names = ", ".join(f"l{n}_id varchar, l{n}_name varchar" for n in (1, 2, 3))
        run(f"create table dim_org (org_unit_id varchar, {names})")
        # Two prefectures have one name; the province's own office lies in no prefecture.
        run(
            "insert into dim_org values "
            "('P', 'P', '川', null, null, null, null), "
            "('A1', 'P', '川', 'A', '绵阳', 'A1', '涪城'), "
            "('A2', 'P', '川', 'A', '绵阳', 'A2', '江油'), "
            "('B1', 'P', '川', 'B', '绵阳', 'B1', '某县')"
        )
        run(
            "create table dim_org_history as select *, date '2020-01-01' as valid_from, "
            "date '9999-12-31' as valid_to from dim_org"
        )
        run("create table family (family_id int, family_zh varchar, family_en varchar)")
        run("insert into family values (1, '移动', 'mobile'), (2, '宽带', 'broadband')")
        run(
            "create table product (product_id int, product_name varchar, family_id int, "
            "series varchar, price int)"
        )
        run(
            "insert into product values (1, 'm1', 1, 'basic', 5), (2, 'm2', 1, 'basic', 50), "
            "(3, 'b1', 2, 'basic', 50), (4, 'odd', null, 'basic', 5)"
        )
        run("create table sale (org_unit_id varchar, product_id int, sold_on date, amount int)")
        run(
            "insert into sale values ('A1', 1, '2026-02-01', 1), ('A2', 1, '2026-02-28', 2), "
            "('A1', 2, '2026-02-03', 4), ('B1', 3, '2026-02-03', 8), ('P', 1, '2026-03-01', 16), "
            "('gone', 4, '2026-02-05', 32), (null, 9, '2026-02-05', 64), ('A2', null, null, 128)"
        )
        yield connection


def catalogue_in(folder: Path, **changes: str) -> Catalogue:
    for name, text in FILES.items():
        path = folder / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(changes.get(path.stem, text))
    return load_catalogue([folder])


def ask(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    by: str,
    scope: Scope | None = None,
    **rest: Any,
) -> CubeResult:
    query = CubeQuery.from_mapping({"cube": "sale", "measures": "sales,amount", "by": by, **rest})
    return run_query(
        catalogue, connection, query, scope=scope or Scope.all(), business_date=None, language="zh"
    )


def test_a_level_and_all_coarser_ones_are_told_from_a_row_for_each_combination(
    tmp_path: Path, sales: duckdb.DuckDBPyConnection
) -> None:
    catalogue = catalogue_in(tmp_path)
    assert build_aggregates(catalogue, sales) == [
        "aggregate.sale__by_region",
        "aggregate.sale__by_unit",
    ]
    levels = sales.execute("select * from aggregate.sale__by_region__org order by all").fetchall()
    assert levels == [
        (0, None, None, None, None),
        (1, "P", "川", "A", "绵阳"),
        (2, "P", "川", "B", "绵阳"),
        (3, "P", "川", None, None),
    ]
    by_prefecture = ask(catalogue, sales, "org.prefecture", keys=True, totals="grand")
    assert by_prefecture.aggregate == "by_region"
    assert [tuple(row.values()) for row in by_prefecture.rows] == [
        ("绵阳", "A", 4, 135),
        ("绵阳", "B", 1, 8),
        (None, None, 3, 112),
    ]
    assert by_prefecture.totals == [{"sales": 8, "amount": 255}]
    by_family = ask(catalogue, sales, "product.family,org.l1")
    assert by_family.aggregate == "by_region"
    assert [tuple(row.values()) for row in by_family.rows] == [
        ("宽带", "川", 1, 8),
        ("移动", "川", 4, 23),
        (None, "川", 1, 128),
        (None, None, 2, 96),
    ]


def test_cuts_on_kept_levels_are_paths_codes_and_words_of_both_languages(
    tmp_path: Path, sales: duckdb.DuckDBPyConnection
) -> None:
    catalogue = catalogue_in(tmp_path)
    build_aggregates(catalogue, sales)
    for cuts, amount in (
        ({"org.l2": "川/绵阳"}, 143),
        ({"org.prefecture": "#B"}, 8),
        ({"org.l2": None}, 112),
        ({"product.family": "mobile"}, 23),
        ({"product.series": "移动/basic", "org.l2": "#A"}, 7),
        ({"product.price_class": "dear", "on": "2026-02"}, 12),
        # A product that is not known has no price above ten, so the expression calls it cheap.
        ({"product.price_class": "cheap", "on": "2026-02"}, 99),
    ):
        found = ask(catalogue, sales, "", cuts=cuts)
        assert (found.aggregate, found.rows[0]["amount"]) == ("by_region", amount), cuts


def test_whole_members_scopes_and_what_was_are_asked_of_what_keeps_members(
    tmp_path: Path, sales: duckdb.DuckDBPyConnection
) -> None:
    catalogue = catalogue_in(tmp_path)
    build_aggregates(catalogue, sales)
    assert ask(catalogue, sales, "org").aggregate == "by_unit"
    assert ask(catalogue, sales, "org.county").aggregate == "by_unit"
    assert ask(catalogue, sales, "product").aggregate == "by_unit"
    assert ask(catalogue, sales, "", cuts={"org": "川/绵阳"}).aggregate == "by_unit"
    assert ask(catalogue, sales, "", scope=Scope.units(["A1"])).aggregate == "by_unit"
    assert ask(catalogue, sales, "org.l2", as_was=True, period="2026-02").aggregate == "by_unit"
    assert ask(catalogue, sales, "product.series", period="2026-02-03").aggregate == "by_unit"


@pytest.mark.parametrize(
    "tampered",
    [
        "update aggregate.sale__by_region set by__org = 2 where by__org = 1",
        "update aggregate.sale__by_region__org set l2_id = 'B' where l2_id = 'A'",
        "delete from aggregate.sale__by_region__product where range__series = 'basic'",
        "update aggregate.sale__by_region__product set price_class = 'dear'",
    ],
)
def test_a_shrunken_dimension_that_tells_otherwise_is_found(
    tmp_path: Path, sales: duckdb.DuckDBPyConnection, tampered: str
) -> None:
    catalogue = catalogue_in(tmp_path)
    build_aggregates(catalogue, sales)
    assert compare_aggregates(catalogue, sales, rng=random.Random(5), cuts=60) == []
    sales.execute(tampered)
    found = compare_aggregates(catalogue, sales, rng=random.Random(5), cuts=60)
    assert {one.aggregate for one in found} == {"by_region"}


def test_a_level_beside_its_whole_dimension_is_known_from_the_members(
    tmp_path: Path, sales: duckdb.DuckDBPyConnection
) -> None:
    both = FILES["definitions/sale"].replace("[on.day, org, product]", "[on.day, org, org.l2]")
    catalogue = catalogue_in(tmp_path, sale=both)
    build_aggregates(catalogue, sales)
    assert compare_aggregates(catalogue, sales, rng=random.Random(5), cuts=40) == []
    assert ask(catalogue, sales, "org.county").aggregate == "by_unit"
