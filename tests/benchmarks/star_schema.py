"""The Star Schema Benchmark: its 13 queries through the cube layer and by hand.

Run as `python -m tests.benchmarks.star_schema [--rows 6000000] [--runs 15] [--file FILE]`. The data
have the shapes of the benchmark (O'Neil, O'Neil, Chen: Star Schema Benchmark, 2009) and are made
here by DuckDB, always the same for the same number of rows; prices are decimals. Every answer is
compared with the one by hand before anything is timed. Both sides take turns in one process; the
ratio of a query is the median of the ratios of its pairs. `--clock processor` counts the process's
own time on all cores, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from cubes.catalogue import Catalogue, check_catalogue, load_catalogue
from cubes.compilation import Statement, _compile, compile_query
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from cubes.warehouse import Warehouse, read_warehouse

CUBES = Path(__file__).parent / "star_schema_cubes"
LINES_A_SCALE = 6_000_000

# The 25 nations of TPC-H by region; a city is the first nine letters of its nation and a digit.
NATIONS = {
    "AFRICA": ("ALGERIA", "ETHIOPIA", "KENYA", "MOROCCO", "MOZAMBIQUE"),
    "AMERICA": ("ARGENTINA", "BRAZIL", "CANADA", "PERU", "UNITED STATES"),
    "ASIA": ("INDIA", "INDONESIA", "JAPAN", "CHINA", "VIETNAM"),
    "EUROPE": ("FRANCE", "GERMANY", "ROMANIA", "RUSSIA", "UNITED KINGDOM"),
    "MIDDLE EAST": ("EGYPT", "IRAN", "IRAQ", "JORDAN", "SAUDI ARABIA"),
}


@dataclass(frozen=True)
class Pair:
    """One query of the benchmark: for the cube and by hand, with the same columns."""

    name: str
    asked: dict[str, Any]
    by_hand: str

    @property
    def query(self) -> CubeQuery:
        """The question to the cube."""
        return CubeQuery.from_mapping({"cube": "lineorder", **self.asked})


def _pair(name: str, by_hand: str, **asked: Any) -> Pair:
    return Pair(name, asked, by_hand)


_BY_DATE = "from lineorder join calendar on lo_orderdate = d_datekey "
_BY_BRAND = (
    "select d_year, p_brand1, sum(lo_revenue) from lineorder "
    "join calendar on lo_orderdate = d_datekey join part on lo_partkey = p_partkey "
    "join supplier on lo_suppkey = s_suppkey where {} "
    "group by d_year, p_brand1 order by d_year, p_brand1"
)
_BY_PLACE = (
    "select {0}, d_year, sum(lo_revenue) as revenue from lineorder "
    "join calendar on lo_orderdate = d_datekey join customer on lo_custkey = c_custkey "
    "join supplier on lo_suppkey = s_suppkey where {1} "
    "group by {0}, d_year order by d_year, revenue desc, {0}"
)
_PROFIT = (
    "select {0}, sum(lo_revenue - lo_supplycost) from lineorder "
    "join calendar on lo_orderdate = d_datekey join customer on lo_custkey = c_custkey "
    "join supplier on lo_suppkey = s_suppkey join part on lo_partkey = p_partkey "
    "where {1} group by {0} order by {0}"
)
_KI_CITIES = ["UNITED KI1", "UNITED KI5"]
_KI = "c_city in ('UNITED KI1', 'UNITED KI5') and s_city in ('UNITED KI1', 'UNITED KI5')"
_LATEST_FIRST = "calendar.year,-revenue"

PAIRS = (
    _pair(
        "Q1.1",
        f"select sum(lo_extendedprice * lo_discount) {_BY_DATE}"
        "where d_year = 1993 and lo_discount between 1 and 3 and lo_quantity < 25",
        measures="discounted",
        cuts={"calendar.year": 1993, "discount": "1..3", "quantity": "..24"},
    ),
    _pair(
        "Q1.2",
        f"select sum(lo_extendedprice * lo_discount) {_BY_DATE}"
        "where d_yearmonthnum = 199401 and lo_discount between 4 and 6 "
        "and lo_quantity between 26 and 35",
        measures="discounted",
        cuts={"calendar.month": 199401, "discount": "4..6", "quantity": "26..35"},
    ),
    _pair(
        "Q1.3",
        f"select sum(lo_extendedprice * lo_discount) {_BY_DATE}"
        "where d_weeknuminyear = 6 and d_year = 1994 and lo_discount between 5 and 7 "
        "and lo_quantity between 26 and 35",
        measures="discounted",
        cuts={
            "calendar.week": 6,
            "calendar.year": 1994,
            "discount": "5..7",
            "quantity": "26..35",
        },
    ),
    _pair(
        "Q2.1",
        _BY_BRAND.format("p_category = 'MFGR#12' and s_region = 'AMERICA'"),
        measures="revenue",
        by="calendar.year,part.brand",
        cuts={"part.category": "MFGR#12", "supplier.region": "AMERICA"},
    ),
    _pair(
        "Q2.2",
        _BY_BRAND.format("p_brand1 between 'MFGR#2221' and 'MFGR#2228' and s_region = 'ASIA'"),
        measures="revenue",
        by="calendar.year,part.brand",
        cuts={"part.brand": "MFGR#2221..MFGR#2228", "supplier.region": "ASIA"},
    ),
    _pair(
        "Q2.3",
        _BY_BRAND.format("p_brand1 = 'MFGR#2239' and s_region = 'EUROPE'"),
        measures="revenue",
        by="calendar.year,part.brand",
        cuts={"part.brand": "MFGR#2239", "supplier.region": "EUROPE"},
    ),
    _pair(
        "Q3.1",
        _BY_PLACE.format(
            "c_nation, s_nation",
            "c_region = 'ASIA' and s_region = 'ASIA' and d_year between 1992 and 1997",
        ),
        measures="revenue",
        by="customer.nation,supplier.nation,calendar.year",
        cuts={
            "customer.region": "ASIA",
            "supplier.region": "ASIA",
            "calendar.year": "1992..1997",
        },
        order=_LATEST_FIRST,
    ),
    _pair(
        "Q3.2",
        _BY_PLACE.format(
            "c_city, s_city",
            "c_nation = 'UNITED STATES' and s_nation = 'UNITED STATES' "
            "and d_year between 1992 and 1997",
        ),
        measures="revenue",
        by="customer.city,supplier.city,calendar.year",
        cuts={
            "customer.nation": "UNITED STATES",
            "supplier.nation": "UNITED STATES",
            "calendar.year": "1992..1997",
        },
        order=_LATEST_FIRST,
    ),
    _pair(
        "Q3.3",
        _BY_PLACE.format("c_city, s_city", f"{_KI} and d_year between 1992 and 1997"),
        measures="revenue",
        by="customer.city,supplier.city,calendar.year",
        cuts={
            "customer.city": _KI_CITIES,
            "supplier.city": _KI_CITIES,
            "calendar.year": "1992..1997",
        },
        order=_LATEST_FIRST,
    ),
    _pair(
        "Q3.4",
        _BY_PLACE.format("c_city, s_city", f"{_KI} and d_yearmonth = 'Dec1997'"),
        measures="revenue",
        by="customer.city,supplier.city,calendar.year",
        cuts={
            "customer.city": _KI_CITIES,
            "supplier.city": _KI_CITIES,
            "calendar.year_month": "Dec1997",
        },
        order=_LATEST_FIRST,
    ),
    _pair(
        "Q4.1",
        _PROFIT.format(
            "d_year, c_nation",
            "c_region = 'AMERICA' and s_region = 'AMERICA' and p_mfgr in ('MFGR#1', 'MFGR#2')",
        ),
        measures="profit",
        by="calendar.year,customer.nation",
        cuts={
            "customer.region": "AMERICA",
            "supplier.region": "AMERICA",
            "part.mfgr": ["MFGR#1", "MFGR#2"],
        },
    ),
    _pair(
        "Q4.2",
        _PROFIT.format(
            "d_year, s_nation, p_category",
            "c_region = 'AMERICA' and s_region = 'AMERICA' and d_year in (1997, 1998) "
            "and p_mfgr in ('MFGR#1', 'MFGR#2')",
        ),
        measures="profit",
        by="calendar.year,supplier.nation,part.category",
        cuts={
            "customer.region": "AMERICA",
            "supplier.region": "AMERICA",
            "calendar.year": [1997, 1998],
            "part.mfgr": ["MFGR#1", "MFGR#2"],
        },
    ),
    _pair(
        "Q4.3",
        _PROFIT.format(
            "d_year, s_city, p_brand1",
            "c_region = 'AMERICA' and s_nation = 'UNITED STATES' and d_year in (1997, 1998) "
            "and p_category = 'MFGR#14'",
        ),
        measures="profit",
        by="calendar.year,supplier.city,part.brand",
        cuts={
            "customer.region": "AMERICA",
            "supplier.nation": "UNITED STATES",
            "calendar.year": [1997, 1998],
            "part.category": "MFGR#14",
        },
    ),
)


def make_star(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """The star with `rows` order lines, four to an order; dimensions grow with them as published.

    30,000 customers and 2,000 suppliers a scale, 200,000 parts and one more time as many for each
    doubling, seven years of days.
    """
    scale = rows / LINES_A_SCALE
    customers, suppliers = max(250, round(30_000 * scale)), max(250, round(2_000 * scale))
    parts = round(200_000 * (1 + math.log2(scale))) if scale >= 1 else max(1_000, rows // 30)
    connection.execute("create table nation (number int, region varchar, nation varchar)")
    pairs = [(region, nation) for region, nations in NATIONS.items() for nation in nations]
    connection.executemany(
        "insert into nation values (?, ?, ?)", [(n, *pair) for n, pair in enumerate(pairs)]
    )
    for table, letter, count, more in (
        ("customer", "c", customers, ", 'SEGMENT ' || hash(i, 'segment') % 5 as c_mktsegment"),
        ("supplier", "s", suppliers, ""),
    ):
        key = "custkey" if letter == "c" else "suppkey"
        connection.execute(
            f"create table {table} as select i::int as {letter}_{key}, "
            f"'{table.title()}#' || lpad(i::varchar, 9, '0') as {letter}_name, "
            f"rpad(nation, 9, ' ') || i // 25 % 10 as {letter}_city, "
            f"nation as {letter}_nation, region as {letter}_region{more} "
            f"from range(1, {count + 1}) as numbers (i) "
            f"join nation on number = i % 25 order by i"
        )
    connection.execute(
        "create table part as select i::int as p_partkey, 'part ' || i as p_name, "
        "'MFGR#' || m as p_mfgr, 'MFGR#' || m || c as p_category, "
        "'MFGR#' || m || c || b as p_brand1, 'color ' || hash(i, 'color') % 92 as p_color "
        "from (select i, 1 + hash(i, 'mfgr') % 5 as m, 1 + hash(i, 'category') % 5 as c, "
        f"1 + hash(i, 'brand') % 40 as b from range(1, {parts + 1}) as numbers (i)) order by i"
    )
    connection.execute(
        "create table calendar as select day::date as d_datekey, year(day)::int as d_year, "
        "(year(day) * 100 + month(day))::int as d_yearmonthnum, "
        "strftime(day, '%b%Y') as d_yearmonth, "
        "(1 + (dayofyear(day) - 1) // 7)::int as d_weeknuminyear "
        "from range(timestamp '1992-01-01', timestamp '1999-01-01', interval 1 day) as days (day)"
    )
    connection.execute(
        "create table lineorder as select number::bigint as lo_orderkey, line::int as "
        "lo_linenumber, "
        f"(1 + hash(number, 'customer') % {customers})::int as lo_custkey, "
        f"(1 + hash(i, 'part') % {parts})::int as lo_partkey, "
        f"(1 + hash(i, 'supplier') % {suppliers})::int as lo_suppkey, "
        "date '1992-01-01' + (hash(number, 'day') % 2406)::int as lo_orderdate, "
        "quantity::tinyint as lo_quantity, discount::tinyint as lo_discount, "
        "(quantity * price)::decimal(12, 2) as lo_extendedprice, "
        "(quantity * price * (100 - discount) / 100)::decimal(12, 2) as lo_revenue, "
        "(0.6 * price)::decimal(12, 2) as lo_supplycost "
        "from (select i, i // 4 as number, 1 + i % 4 as line, "
        "1 + hash(i, 'quantity') % 50 as quantity, hash(i, 'discount') % 11 as discount, "
        "(90000 + hash(i, 'price') % 110000)::decimal(12, 2) / 100 as price "
        f"from range({rows}) as numbers (i))"
    )
    connection.execute("drop table nation")
    connection.execute("checkpoint")


@contextmanager
def star(rows: int, file: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the data in `file`, made if it is not there; without one it is temporary."""
    with tempfile.TemporaryDirectory(prefix="star") as folder:
        path = file or Path(folder) / "star.duckdb"
        is_new = not path.exists()
        with duckdb.connect(str(path)) as connection:
            if is_new:
                make_star(connection, rows)
            yield connection


@dataclass(frozen=True)
class Cubes:
    """The cubes over one connection."""

    catalogue: Catalogue
    warehouse: Warehouse
    connection: duckdb.DuckDBPyConnection

    @classmethod
    def over(cls, connection: duckdb.DuckDBPyConnection) -> Cubes:
        """The cubes of the benchmark, checked against the database."""
        catalogue = load_catalogue([CUBES])
        check_catalogue(catalogue, connection)
        return cls(catalogue, read_warehouse(connection), connection)

    def compiled(self, query: CubeQuery) -> Statement:
        """The statement of a query, from the cache if it is there."""
        return compile_query(
            self.catalogue, self.warehouse, query, scope=Scope.all(), business_date=None
        )

    def compiled_anew(self, query: CubeQuery) -> Statement:
        """The statement of a query that was never asked before."""
        _compile.cache_clear()
        return self.compiled(query)

    def executed(self, query: CubeQuery) -> list[tuple[Any, ...]]:
        """The records of a query's statement, without asking whether its members exist."""
        statement = self.compiled(query)
        return self.connection.execute(statement.sql, dict(statement.parameters)).fetchall()

    def asked(self, query: CubeQuery) -> list[tuple[Any, ...]]:
        """The rows of a query asked as people ask it: members checked, values labelled."""
        result = run_query(
            self.catalogue,
            self.connection,
            query,
            scope=Scope.all(),
            business_date=None,
            warehouse=self.warehouse,
        )
        return [tuple(row.values()) for row in result.rows]


Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "processor": time.process_time}


def seconds(work: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """How long it took."""
    begun = clock()
    work()
    return clock() - begun


def median_ms(work: Callable[[], object], runs: int) -> float:
    """Median milliseconds of several runs after one to warm up."""
    work()
    return statistics.median(seconds(work) for _ in range(runs)) * 1000


@dataclass(frozen=True)
class Timing:
    """Medians of both sides in milliseconds, and the median of the ratios of the pairs."""

    one: float
    other: float
    ratio: float


def in_turn(
    one: Callable[[], object],
    other: Callable[[], object],
    runs: int,
    clock: Clock = time.perf_counter,
) -> Timing:
    """Time both by turns, each first every second time, after one run of each to warm up."""
    one()
    other()
    pairs = []
    for run in range(runs):
        if run % 2:
            second, first = seconds(other, clock), seconds(one, clock)
        else:
            first, second = seconds(one, clock), seconds(other, clock)
        pairs.append((first, second))
    return Timing(
        statistics.median(first for first, _ in pairs) * 1000,
        statistics.median(second for _, second in pairs) * 1000,
        statistics.median(first / second for first, second in pairs),
    )


def geometric_mean(values: list[float]) -> float:
    """The geometric mean."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


def check_answers(cubes: Cubes) -> int:
    """Compare all answers with those by hand, decimals to the last place; how many rows."""
    count = 0
    for pair in PAIRS:
        by_hand = cubes.connection.execute(pair.by_hand).fetchall()
        for ours in (cubes.executed(pair.query), cubes.asked(pair.query)):
            assert repr(ours) == repr(by_hand), f"{pair.name}: {ours[:3]} and {by_hand[:3]}"
        count += len(by_hand)
    return count


def print_times(cubes: Cubes, runs: int, clock: Clock) -> None:
    """The table of the 13 queries."""
    connection = cubes.connection
    executed, asked = [], []
    print("| query | text ms | cached ms | cube ms | by hand ms | ratio | asked | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for pair in PAIRS:
        query = pair.query
        text = median_ms(lambda query=query: cubes.compiled_anew(query), 51)  # type: ignore[misc]
        cached = median_ms(lambda query=query: cubes.compiled(query), 51)  # type: ignore[misc]

        def by_hand(sql: str = pair.by_hand) -> None:
            connection.execute(sql).fetchall()

        bare = in_turn(lambda query=query: cubes.executed(query), by_hand, runs, clock)  # type: ignore[misc]
        whole = in_turn(lambda query=query: cubes.asked(query), by_hand, runs, clock)  # type: ignore[misc]
        executed.append(bare.ratio)
        asked.append(whole.ratio)
        print(
            f"| {pair.name} | {text:.2f} | {cached:.3f} | {bare.one:.1f} | {bare.other:.1f} "
            f"| {bare.ratio:.2f} | {whole.one:.1f} | {whole.ratio:.2f} |"
        )
    for name, ratios in (("statement", executed), ("asked, members checked", asked)):
        print(f"{name}: geometric mean {geometric_mean(ratios):.3f}, most {max(ratios):.2f}")


def main() -> None:
    """Make the data, compare the answers, print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=LINES_A_SCALE)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--file", type=Path, help="keep the data there, or use what is there")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    arguments = parser.parse_args()
    with star(arguments.rows, arguments.file) as connection:
        connection.execute("set threads = 2")
        cubes = Cubes.over(connection)
        print(f"{check_answers(cubes):,} rows of 13 answers are equal to those by hand")
        print_times(cubes, arguments.runs, CLOCKS[arguments.clock])


if __name__ == "__main__":
    main()
