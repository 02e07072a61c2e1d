"""A folder with many faults of every kind: all of them told in one go, none of them twice."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from cubes.catalogue import check_catalogue, read_catalogue
from cubes.errors import DeclarationError

FILES = {
    "dimensions/area.yml": """\
dimension: area
table: aera
key: id
""",
    "dimensions/person.yml": """\
dimension: person
table: person
key: id
attributes:
  age: {sql: born - 'x'}
  height: {sql: hight}
  file: {sql: "read_csv('x')"}
""",
    "dimensions/shop.yml": """\
dimension: shop
table: shop
key: id
attributes:
  size: {sql: square_metres}
""",
    "dimensions/street.yml": """\
dimension: street
table: street
key: id
attributes:
  longest: {sq: name}
  shortest: {sql: name, lable: {zh: 短, en: short}}
""",
    "dimensions/stone.yml": """\
dimension: stone
table: stone
key: cast(label as integer)
attributes:
  parts: {sql: parts}
""",
    "dimensions/tree.yml": """\
dimension: tree
table: tree
key: cast(label as integer)
""",
    "dimensions/ware.yml": """\
dimension: ware
table: ware
key: id
attributes:
  weight: {sql: name + interval 1 day}
""",
    "definitions/delivery.yml": """\
cube: delivery
fact: delivery
time: {sent: sent_on}
joins: {area: shop_id}
measures:
  deliveries: {agg: count}
  weight: {agg: sum, sql: weigth}
""",
    "definitions/sale.yml": """\
cube: sale
fact: sale
where: note
time: {where: sold_on, sold: sold_on, noted: note, cut: "substring(note, 1, 10)"}
dimensions:
  doubled: {sql: note - true}
measures:
  sales: {agg: count, where: amuont > 1}
  large: {agg: count, where: sold_on}
  some: {agg: count, where: amount}
""",
    "definitions/total.yml": """\
cube: total
fact: sale
time: {sold: sold_on}
measures:
  said: {agg: sum, sql: note}
  all: {agg: sum, sql: amount}
  mean: {agg: avg, sql: note}
""",
    "definitions/visit.yml": """\
cube: visit
fact: visit
joins: {shop: shop_id, town: town_id}
measures:
  visits: {agg: count}
  rate: {ratio: [visit, visits]}
  weight: {agg: summ, sql: amount}
""",
    "definitions/walk.yml": """\
cube: walk
fact: walk
joins: {shp: shop_id}
measures:
  walks: {agg: count, where: town.size > 1}
  rate: {ratio: [walk, walks]}
""",
    "queries/broken.yml": "query: broken\nlabel: {zh: 坏, en: Broken\n",
    "queries/lost.yml": """\
query: lost
cube: total
measures: [al]
by: [sold.mnth]
""",
    "queries/written.yml": """\
query: written
label: {zh: 写, en: Written}
columns: {n: {type: integer}}
scope: open
sql: select count(*) as n from marts.salle a
""",
}
EXPECTED = [
    ("area.yml", 2, "table: schema marts has no table 'aera'"),
    ("broken.yml", 3, "is not valid YAML"),
    ("delivery.yml", 7, "measures.weight.sql: table delivery has no column 'weigth'"),
    ("sale.yml", 8, "measures.sales.where: table sale has no column 'amuont'"),
    ("lost.yml", 3, "measures.0: cube 'total' has no measure 'al' (did you mean 'all'?)"),
    ("lost.yml", 4, "by.0: cube 'total' has no 'sold.mnth' (did you mean 'sold.month'?)"),
    ("person.yml", 7, "function read_csv is not allowed"),
    ("sale.yml", 3, "where: 'note' is VARCHAR, no condition; compare it with something"),
    ("sale.yml", 4, "time.noted: 'note' is VARCHAR, no date or time"),
    ("sale.yml", 6, "dimensions.doubled.sql: Binder Error: No function matches"),
    ("sale.yml", 9, "measures.large.where: 'sold_on' is DATE, no condition"),
    ("shop.yml", 3, "key: 1 rows of shop repeat a key"),
    ("street.yml", 5, "attributes.longest.sq: unknown key (did you mean 'sql'?)"),
    ("street.yml", 6, "attributes.shortest.lable: unknown key (did you mean 'label'?)"),
    ("stone.yml", 5, "attributes.parts: 'parts' is INTEGER[], no single value"),
    ("tree.yml", 3, "key: Conversion Error: Could not convert string 'x' to INT32"),
    ("total.yml", 5, "measures.said: Binder Error: No function matches"),
    ("total.yml", 7, "measures.mean: Binder Error: No function matches"),
    ("visit.yml", 7, "measures.weight.agg"),
    ("walk.yml", 3, "joins.shp: there is no dimension 'shp' (did you mean 'shop'?)"),
    ("walk.yml", 5, "measures.walks.where: 'town.size > 1' names 'town'"),
    ("walk.yml", 6, "measures.rate.ratio: cube 'walk' has no measure 'walk' (did you mean 'walks'"),
    ("ware.yml", 5, "attributes.weight: Binder Error: No function matches"),
    ("written.yml", 5, "sql: Catalog Error: Table with name salle does not exist!"),
]  # fmt: skip


def test_every_fault_of_a_folder_is_told_in_one_go_and_once(tmp_path: Path) -> None:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    catalogue, faults = read_catalogue([tmp_path])
    with duckdb.connect() as connection:
        for statement in (
            "create schema marts",
            "create table marts.person as select 1 as id, date '2000-01-01' as born",
            "create table marts.shop as select 1 as id, 5 as square_metres from range(2)",
            "create table marts.stone as select 'x' as label, [1, 2] as parts",
            "create table marts.tree as select 'x' as label",
            "create table marts.ware as select 1 as id, 'x' as name",
            "create table marts.sale as "
            "select 1 as shop_id, 'x' as note, 3 as amount, date '2026-01-01' as sold_on",
            "create table marts.delivery as "
            "select 1 as shop_id, 'x' as note, 3 as weight, date '2026-01-01' as sent_on",
        ):
            connection.execute(statement)
        with pytest.raises(DeclarationError) as caught:
            check_catalogue(catalogue, connection, faults=faults)
    found = [(Path(one.file).name, one.line, one.message) for one in caught.value.faults]
    told = "\n".join(map(str, found))
    for name, line, message in EXPECTED:
        assert any((name, line) == one[:2] and message in one[2] for one in found), (
            f"{name}:{line} {message}\n{told}"
        )
    assert len(found) == len(EXPECTED), told
