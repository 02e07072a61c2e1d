"""The queries with aggregates, from the facts and by hand.

Run as `python -m tests.benchmarks.star_schema_aggregates [--rows 6000000] [--file FILE]`: the star
of `tests.benchmarks.star_schema` with the aggregates of `star_schema_aggregates.yml`, which keep
levels of dimensions, and two that keep whole members with a query for each. Where no aggregate fits
both sides are the facts.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from cubes.aggregate_table import build_aggregates
from cubes.catalogue import Catalogue, check_catalogue, load_catalogue
from cubes.compilation import Statement, compile_query
from cubes.scope import Scope
from cubes.warehouse import Warehouse, read_warehouse
from tests.benchmarks.star_schema import (
    CUBES,
    LINES_A_SCALE,
    PAIRS,
    Pair,
    geometric_mean,
    in_turn,
    star,
)

DECLARED = Path(__file__).parent / "star_schema_aggregates.yml"
MEMBERS = (
    Pair(
        "suppliers",
        {
            "measures": "revenue,profit",
            "by": "supplier.nation,ordered.month",
            "cuts": {"supplier.region": "ASIA"},
        },
        "select s_nation, date_trunc('month', lo_orderdate)::date, sum(lo_revenue), "
        "sum(lo_revenue - lo_supplycost) from lineorder "
        "join supplier on lo_suppkey = s_suppkey where s_region = 'ASIA' "
        "group by all order by all",
    ),
    Pair(
        "customers",
        {"measures": "revenue,lines,profit_share", "by": "customer.city,ordered.year"},
        "select c_city, date_trunc('year', lo_orderdate)::date, sum(lo_revenue), count(*), "
        "sum(lo_revenue - lo_supplycost)::double / nullif(sum(lo_revenue), 0)::double "
        "from lineorder left join customer on lo_custkey = c_custkey group by all order by 1, 2",
    ),
)


def catalogue_with_aggregates() -> Catalogue:
    """The cubes of the star, whose cube has the aggregates."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "cubes"
        shutil.copytree(CUBES, folder)
        with (folder / "definitions" / "lineorder.yml").open("a", encoding="utf-8") as cube:
            cube.write(DECLARED.read_text(encoding="utf-8"))
        return load_catalogue([folder])


@dataclass(frozen=True)
class Answers:
    """The cubes with their aggregates over one connection."""

    catalogue: Catalogue
    warehouse: Warehouse
    connection: duckdb.DuckDBPyConnection

    def compiled(self, pair: Pair, *, aggregates: bool) -> Statement:
        """The statement, from an aggregate or from the facts."""
        return compile_query(
            self.catalogue,
            self.warehouse,
            pair.query,
            scope=Scope.all(),
            business_date=None,
            aggregates=aggregates,
        )

    def rows(self, pair: Pair, *, aggregates: bool) -> list[tuple[Any, ...]]:
        """The records of the statement."""
        statement = self.compiled(pair, aggregates=aggregates)
        return self.connection.execute(statement.sql, dict(statement.parameters)).fetchall()


def measure(connection: duckdb.DuckDBPyConnection, runs: int) -> None:
    """Build the aggregates, compare the answers, print the times."""
    catalogue = catalogue_with_aggregates()
    check_catalogue(catalogue, connection)
    begun = time.perf_counter()
    tables = build_aggregates(catalogue, connection)
    print(f"aggregates made in {time.perf_counter() - begun:.1f} s")
    for table in tables:
        schema, name = table.split(".")
        (count,) = connection.execute(f"select count(*) from {schema}.{name}").fetchone() or (0,)
        print(f"  {table} {count:,} rows")
    answers = Answers(catalogue, read_warehouse(connection), connection)
    print("| query | aggregate | ms | facts ms | by hand ms | times faster than by hand |")
    print("|---|---|---|---|---|---|")
    faster = []
    for pair in (*PAIRS, *MEMBERS):
        by_hand = connection.execute(pair.by_hand).fetchall()
        for aggregates in (True, False):
            found = answers.rows(pair, aggregates=aggregates)
            assert repr(found) == repr(by_hand), f"{pair.name}: {found[:2]} and {by_hand[:2]}"
        chosen = answers.compiled(pair, aggregates=True).aggregate

        def theirs(sql: str = pair.by_hand) -> None:
            connection.execute(sql).fetchall()

        def from_aggregate(pair: Pair = pair) -> None:
            answers.rows(pair, aggregates=True)

        def from_facts(pair: Pair = pair) -> None:
            answers.rows(pair, aggregates=False)

        facts = in_turn(from_facts, theirs, runs)
        times = in_turn(from_aggregate, theirs, runs)
        if chosen is not None:
            faster.append(1 / times.ratio)
        print(
            f"| {pair.name} | {chosen or 'facts'} | {times.one:.1f} | {facts.one:.1f} "
            f"| {times.other:.1f} | {1 / times.ratio:.1f} |"
        )
    print(
        f"with an aggregate: geometric mean {geometric_mean(faster):.1f}, least {min(faster):.1f}"
    )


def main() -> None:
    """Measure on a copy, so that a kept file stays without aggregates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=LINES_A_SCALE)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--file", type=Path, help="keep the data there, or use what is there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="star") as folder:
        path = Path(folder) / "star.duckdb"
        with star(arguments.rows, arguments.file or path):
            pass
        if arguments.file is not None:
            shutil.copyfile(arguments.file, path)
        with duckdb.connect(str(path)) as connection:
            connection.execute("set threads = 2")
            measure(connection, arguments.runs)


if __name__ == "__main__":
    main()
