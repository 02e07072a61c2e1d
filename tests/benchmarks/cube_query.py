"""Measure cube queries: compiling, and execution against hand-written SQL.

Run as `python -m tests.benchmarks.cube_query [--rows 2000000]`. Prints times of this machine and
the ratio compiled / hand-written with its geometric mean; nothing here is a test.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import Any

START = time.perf_counter()

import duckdb  # noqa: E402

DUCKDB_READY = time.perf_counter()

from cubes.catalogue import load_catalogue, shipped_folder  # noqa: E402
from cubes.compilation import _compile, compile_query  # noqa: E402
from cubes.query import CubeQuery  # noqa: E402
from cubes.scope import Scope  # noqa: E402
from cubes.warehouse import read_warehouse  # noqa: E402

IMPORTED = time.perf_counter()

from tests.cubes.marts import make_marts  # noqa: E402

WIDE: dict[str, Any] = {
    "cube": "cases",
    "measures": "cases,complaints,open_cases,reply_p90,reply_on_time_rate,reopen_rate,reporters,"
    "resolution_avg_s",
    "by": "org.l1,org.l2,category.l1,channel,created.month,customer.segment",
    "period": "2026",
    "cuts": {"kind": "complaint"},
}

PAIRS: list[tuple[dict[str, Any], str]] = [
    (
        {"cube": "sales", "measures": "revenue", "period": "2026-03"},
        "select sum(amount) from marts.fct_sale "
        "where sold_on between '2026-03-01' and '2026-03-31'",
    ),
    (
        {"cube": "sales", "measures": "revenue,order_lines", "by": "org.l2", "period": "2026-03"},
        "select l2_name, l2_id, sum(amount), count(*) from marts.fct_sale "
        "left join marts.dim_org using (org_unit_id) "
        "where sold_on between '2026-03-01' and '2026-03-31' group by all order by 1, 2",
    ),
    (
        {"cube": "sales", "measures": "revenue,orders,average_revenue", "by": "sold.month"},
        "select date_trunc('month', sold_on)::date, sum(amount), count(distinct order_no), "
        "sum(amount)::double / nullif(count(distinct order_no), 0) from marts.fct_sale "
        "group by all order by 1",
    ),
    (
        {
            "cube": "sales",
            "measures": "revenue,order_lines",
            "by": "org.l2,product.family",
            "totals": "all",
        },
        "select l2_name, l2_id, family, grouping(l2_id, family), sum(amount), count(*) "
        "from marts.fct_sale left join marts.dim_org using (org_unit_id) "
        "left join marts.dim_product using (product_id) group by "
        "grouping sets ((l2_name, l2_id, family), (l2_name, l2_id), (family), ()) "
        "order by 4, 1, 2, 3",
    ),
    (
        {
            "cube": "sales",
            "measures": "revenue,order_lines",
            "by": "product.family",
            "cuts": {"org": "四川/成都"},
        },
        "select family, sum(amount), count(*) from marts.fct_sale "
        "join marts.dim_org using (org_unit_id) left join marts.dim_product using (product_id) "
        "where l1_name = '四川' and l2_name = '成都' group by all order by 1",
    ),
    (
        {"cube": "arrears", "measures": "balance,newly_due", "by": "org.l2", "period": "2026-03"},
        "select l2_name, l2_id, sum(balance) filter (where balance_on = (select "
        "least(date '2026-03-31', max(balance_on)) from marts.fct_arrears_daily)), sum(newly_due) "
        "from marts.fct_arrears_daily left join marts.dim_org using (org_unit_id) "
        "where balance_on between '2026-03-01' and '2026-03-31' group by all order by 1, 2",
    ),
]


def fill(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Many rows in the facts that are measured, spread over units, products and days."""
    connection.execute("set threads = 2")
    unit = "case hash(i) % 3 when 0 then '510101' when 1 then '510102' else '510201' end"
    connection.execute(
        f"insert into marts.fct_sale select 's' || i, 'o' || i // 3, 'k1', {unit}, "
        "'p' || (i % 2 + 1), null, 'recharge', 1, (i % 9973)::decimal(18, 2) / 100, 'CNY', null, "
        f"date '2025-01-01' + (i % 450)::int from range({rows}) t(i)"
    )
    connection.execute(
        f"insert into marts.fct_arrears_daily select 'k' || i // 60, {unit}, "
        "date '2026-01-30' + (i % 60)::int, 1, 0, 0, (i % 100)::decimal(18, 2), 'CNY' "
        f"from range({rows}) t(i)"
    )


def best(work: Callable[[], object], runs: int) -> float:
    """Median milliseconds of several runs after one to warm up."""
    work()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    say = sys.stdout.write
    say(f"import duckdb {(DUCKDB_READY - START) * 1000:.0f} ms, ")
    say(f"import cubes {(IMPORTED - DUCKDB_READY) * 1000:.0f} ms\n")
    connection = duckdb.connect()
    make_marts(connection)
    say(f"load catalogue {best(lambda: load_catalogue([shipped_folder()]), 5):.1f} ms\n")
    catalogue = load_catalogue([shipped_folder()])
    warehouse = read_warehouse(connection)
    say(f"read warehouse {best(lambda: read_warehouse(connection), 15):.2f} ms\n")

    def compiled(asked: dict[str, Any]) -> Any:
        return compile_query(
            catalogue,
            warehouse,
            CubeQuery.from_mapping(asked),
            scope=Scope.all(),
            business_date=date(2026, 3, 30),
        )

    def anew() -> None:
        _compile.cache_clear()
        compiled(WIDE)

    say(f"compile 6 dimensions, 8 measures: {best(anew, 51):.2f} ms, ")
    say(f"cached {best(lambda: compiled(WIDE), 51):.3f} ms\n")
    fill(connection, arguments.rows)
    ratios = []
    say("| query | compiled ms | by hand ms | ratio |\n|---|---|---|---|\n")
    for asked, by_hand in PAIRS:
        statement = compiled(asked)
        parameters = dict(statement.parameters)

        def ours(sql: str = statement.sql, bound: dict[str, Any] = parameters) -> None:
            connection.execute(sql, bound).fetchall()

        def theirs(sql: str = by_hand) -> None:
            connection.execute(sql).fetchall()

        one, two = best(ours, arguments.runs), best(theirs, arguments.runs)
        ratios.append(one / two)
        name = f"{asked['cube']}: {asked['measures']} by {asked.get('by', '-')}"
        say(f"| {name} | {one:.1f} | {two:.1f} | {one / two:.2f} |\n")
    mean = math.exp(statistics.fmean(math.log(ratio) for ratio in ratios))
    say(f"geometric mean of the ratios: {mean:.3f}\n")


if __name__ == "__main__":
    main()
