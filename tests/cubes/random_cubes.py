"""Small random warehouses and the cubes over them, for the identities of cubes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from cubes.aggregate_table import build_aggregates
from cubes.catalogue import Catalogue, load_catalogue
from cubes.query import CubeQuery, CubeResult, run_query
from cubes.scope import Scope

FILES = {
    "dimensions/place": """
dimension: place
table: place
key: place_id
scope: true
hierarchies:
  place: {levels: [region, city], closure: place_closure}
""",
    "definitions/sale": """
cube: sale
fact: sale
time: {on: sold_on}
joins: {place: place_id}
dimensions: {kind: {sql: kind}}
measures:
  rows: {agg: count}
  amount: {agg: sum, sql: amount}
  big: {agg: count, where: amount > 5}
  buyers: {agg: count_distinct, sql: buyer}
  most: {agg: max, sql: amount}
  median: {agg: percentile, sql: amount, p: 0.5}
  mean: {agg: avg, sql: amount}
  share: {ratio: [big, rows]}
  known: {agg: count, sql: amount}
  told: {ratio: [known, rows]}
  score: {weighted: {share: 3, told: 0.5}}
  sure: {wilson: [big, rows], least: 2, z: 1.5}
  drawn: {shrunk: [big, rows], m: 4}
  per_head: {ratio: [amount, head.heads], scale: 100}
aggregates:
  by_day: {by: [on.day, place, kind]}
  by_month: {by: [on.month, place], measures: [rows, amount, big]}
  by_region: {by: [on.day, place.region, kind], measures: [rows, amount, big]}
""",
    "definitions/stock": """
cube: stock
fact: stock
time: {on: stock_on}
joins: {place: place_id}
measures:
  closing: {agg: sum, sql: units, over_time: last}
  opening: {agg: sum, sql: units, over_time: first}
  holders: {agg: count_distinct, sql: place_id, where: units > 0, over_time: last}
  mean: {agg: sum, sql: units, over_time: avg}
aggregates:
  by_region: {by: [on.day, place]}
""",
    "definitions/head": """
cube: head
fact: head
time: {month: {sql: month_on, grain: month}}
joins: {place: place_id}
measures:
  heads: {agg: sum, sql: heads, over_time: last}
""",
}

for policy in ("full", "hidden"):
    FILES[f"definitions/sale_{policy}"] = FILES["definitions/sale"].replace(
        "cube: sale", f"cube: sale_{policy}\nscoped_totals: {policy}"
    )

PLACES = [(1, "N", "a"), (2, "N", "b"), (3, "S", "a"), (4, "S", "c"), (5, None, None)]
START = date(2026, 1, 28)
SHARE = "((COUNT(*) FILTER (WHERE AMOUNT > 5))::DOUBLE / COUNT(*))"
# As the formula stands in books, with p for the share and n for the count.
WILSON = (
    "CASE WHEN n >= 2 THEN GREATEST((p + 1.5 * 1.5 / (2 * n) - 1.5 * SQRT(p * (1 - p) / n "
    "+ 1.5 * 1.5 / (4 * n * n))) / (1 + 1.5 * 1.5 / n), 0) END"
)
MEASURES = {
    "rows": "count(*)",
    "amount": "sum(amount)",
    "big": "count(*) filter (where amount > 5)",
    "buyers": "count(distinct buyer)",
    "most": "max(amount)",
    "median": "quantile_cont(amount::double, 0.5)",
    "mean": "sum(amount)::double / nullif(count(amount), 0)",
    "share": "(count(*) filter (where amount > 5))::double / nullif(count(*), 0)",
    "score": "(3 * (count(*) filter (where amount > 5)) + 0.5 * count(amount))::double "
    "/ nullif(3.5 * count(*), 0)",
    "sure": WILSON.replace("p", SHARE).replace("n", "count(*)::double"),
}
NAMES = {
    "place.region": "region",
    "place.city": "city",
    "place": "sale.place_id",
    "kind": "kind",
    "on.month": "date_trunc('month', sold_on)::date",
    "on.week": "date_trunc('week', sold_on)::date",
    "on": "sold_on",
}

places = st.sampled_from([1, 2, 3, 4, 5, 9, None])
days = st.integers(0, 40).map(lambda n: START + timedelta(days=n))
amounts = st.none() | st.integers(-2000, 2000).map(lambda cents: Decimal(cents) / 100)
sales = st.lists(
    st.tuples(
        places,
        st.sampled_from(["x", "y", None]),
        st.none() | days,
        amounts,
        st.sampled_from(["p", "q", "r", None]),
    ),
    max_size=25,
)
by_names = st.lists(st.sampled_from(sorted(NAMES)), max_size=3, unique=True)

modest = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@dataclass
class World:
    """A connection and the catalogue of the random cubes."""

    connection: duckdb.DuckDBPyConnection
    catalogue: Catalogue

    def fill(self, table: str, rows: list[Any]) -> None:
        """Put rows in place of a table's; aggregates of what was there go."""
        self.connection.execute("drop schema if exists aggregate cascade")
        self.connection.execute(f"delete from {table}")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self.connection.executemany(f"insert into {table} values ({marks})", rows)

    def aggregate(self) -> None:
        """Make the tables of aggregates from the facts as they are now."""
        build_aggregates(self.catalogue, self.connection)

    def ask(
        self,
        cube: str,
        measures: Any,
        by: Any = (),
        scope: Scope | None = None,
        aggregates: bool = False,
        **rest: Any,
    ) -> CubeResult:
        query = CubeQuery.from_mapping({"cube": cube, "measures": measures, "by": by, **rest})
        return run_query(
            self.catalogue,
            self.connection,
            query,
            scope=scope or Scope.all(),
            business_date=None,
            aggregates=aggregates,
        )

    def plain(self, sql: str) -> list[dict[str, Any]]:
        cursor = self.connection.execute(sql)
        names = [item[0] for item in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def open_world(folder: Path) -> Iterator[World]:
    """The cubes written to `folder`, over empty tables in memory."""
    for name, text in FILES.items():
        path = folder / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with duckdb.connect() as connection:
        run = connection.execute
        run("create table place (place_id int, region varchar, city varchar)")
        connection.executemany("insert into place values (?, ?, ?)", PLACES)
        run("create table place_closure (ancestor_id varchar, descendant_id int)")
        run(
            "insert into place_closure select coalesce(region, '?'), place_id from place "
            "union all select place_id::varchar, place_id from place"
        )
        run(
            "create table sale (place_id int, kind varchar, sold_on date, amount decimal(18, 2), "
            "buyer varchar)"
        )
        run("create table stock (place_id int, stock_on date, units int)")
        run("create table head (place_id int, month_on date, heads int)")
        yield World(connection, load_catalogue([folder]))


def bag(rows: list[dict[str, Any]], names: list[str] | None = None) -> list[tuple[Any, ...]]:
    """Rows as a sorted list, floats rounded, so that order does not matter."""

    def simple(value: Any) -> Any:
        return round(value, 9) if isinstance(value, float) else value

    keys = names or sorted(rows[0]) if rows else []
    return sorted((tuple(simple(row[key]) for key in keys) for row in rows), key=repr)
