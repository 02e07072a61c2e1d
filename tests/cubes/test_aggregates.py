"""Aggregates: the same answers from fewer rows, and facts wherever an aggregate cannot tell."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubes.aggregate_check import compare_aggregates
from cubes.aggregate_table import build_aggregates
from cubes.catalogue import load_catalogue
from cubes.errors import DeclarationError, QueryError
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from cubes.warehouse import read_warehouse
from tests.cubes.random_cubes import (
    World,
    bag,
    by_names,
    days,
    modest,
    open_world,
    places,
    sales,
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("aggregates")) as opened:
        yield opened


measures = st.lists(
    st.sampled_from(["rows", "amount", "big", "share", "told", "sure", "drawn", "buyers", "mean"]),
    min_size=1,
    unique=True,
)
cuts = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["x", None, ["x", "y"]]),
        "place.region": st.sampled_from(["N", None]),
        "on": st.sampled_from(["2026-02", "2026-02-03..2026-02-20", None]),
    },
)
scopes = st.none() | st.sets(st.sampled_from(["N", "S", "1", "zz"]))


@modest
@given(
    sales,
    measures,
    by_names,
    cuts,
    scopes,
    st.sampled_from(["none", "grand", "all"]),
    st.sampled_from([None, "previous", "year"]),
    st.booleans(),
)
def test_an_aggregate_answers_as_the_facts_do(
    world: World,
    rows: list[Any],
    asked: list[str],
    by: list[str],
    cut: dict[str, Any],
    units: set[str] | None,
    totals: str,
    compare: str | None,
    fill: bool,
) -> None:
    world.fill("sale", rows)
    world.aggregate()
    rest: dict[str, Any] = {"totals": totals, "cuts": cut}
    if compare and not {"on.month", "on.week"} & set(by) and cut.get("on", "") is not None:
        rest |= {"compare": compare, "period": "2026-02-01..2026-02-14"}
    if fill and cut.get("on", "") is not None and "on.week" not in by:
        rest |= {"fill": "zero", "period": "2026-02"}
    scope = None if units is None else Scope.units(units)
    try:
        facts = world.ask("sale", asked, by, scope, **rest)
    except QueryError as refused:
        with pytest.raises(QueryError, match=re.escape(str(refused))):
            world.ask("sale", asked, by, scope, aggregates=True, **rest)
        return
    both = world.ask("sale", asked, by, scope, aggregates=True, **rest)
    assert facts.aggregate is None
    assert (both.aggregate is None) == bool({"buyers", "mean"} & set(asked))
    assert bag(both.rows) == bag(facts.rows)
    assert [bag([row]) for row in both.totals] == [bag([row]) for row in facts.totals]
    assert both.columns == facts.columns


@modest
@given(
    st.dictionaries(st.tuples(st.sampled_from([1, 2, 3]), days), st.integers(0, 9), max_size=30),
    st.tuples(days, days).map(sorted),
)
def test_a_balance_from_an_aggregate_is_that_of_the_facts(
    world: World, held: dict[Any, int], ends: list[date]
) -> None:
    world.fill("stock", [(place, day, units) for (place, day), units in held.items()])
    world.aggregate()
    asked = {"period": f"{ends[0]}..{ends[1]}", "totals": "all"}
    by = ["on.month", "place.region"]
    both = world.ask("stock", "closing,opening,mean", by, aggregates=True, **asked)
    facts = world.ask("stock", "closing,opening,mean", by, **asked)
    assert both.aggregate == "by_region"
    assert bag(both.rows) == bag(facts.rows)
    assert [bag([row]) for row in both.totals] == [bag([row]) for row in facts.totals]


@modest
@given(st.lists(st.tuples(places, days), max_size=12))
def test_the_smallest_aggregate_that_knows_the_time_is_chosen(
    world: World, keys: list[Any]
) -> None:
    world.fill("sale", [(place, "x", day, Decimal(1), "p") for place, day in keys])
    world.aggregate()

    def chosen(by: Any = (), **rest: Any) -> str | None:
        return world.ask("sale", "rows", by, aggregates=True, **rest).aggregate

    def smallest(*fitting: str) -> str:
        sizes = {
            name: world.plain(f"select count(*) as n from aggregate.sale__{name}")[0]["n"]
            for name in fitting
        }
        # Of equal ones that with fewer keys.
        return min(sizes, key=lambda name: (sizes[name], name != "by_month", name))

    assert chosen("on.month") == smallest("by_month", "by_region")
    assert chosen("on.year,place.city") == "by_month"
    assert chosen(period="2026-02") == smallest("by_month", "by_region")
    assert chosen(period="2026-02-03", cuts={"place.city": None}) == "by_day"
    assert chosen("on.week,place.region") == chosen("kind") == smallest("by_day", "by_region")
    assert chosen(cuts={"kind": "x", "place": None}, period="2026-02") == "by_day"
    assert chosen("on.month,place", period="2026-02", compare="previous") == "by_month"
    assert chosen("place", period="2026-02-01..2026-02-14", compare="previous") == "by_day"


FILES = {
    "dimensions/site": """
dimension: site
table: site
key: site_id
scope: true
history: site_then
attributes: {name: {sql: name}, code: {sql: site_id, key: site_id}}
""",
    "definitions/visit": """
cube: visit
fact: visit
time: {on: visit_on}
joins: {site: site_id}
dimensions: {kind: {sql: kind}, grade: {sql: site.name}}
measures:
  visits: {agg: count}
  guests: {agg: sum, sql: guests}
  tons: {agg: sum, sql: kilos, divide_by: 1000}
  northern: {agg: count, where: site.name = 'north'}
  guests_each: {ratio: [guests, visits]}
aggregates:
  daily: {by: [on.day, site.code, kind], measures: [visits, guests, tons]}
  graded: {by: [on.day, site, grade], measures: [visits, northern]}
  nowhere: {by: [on.month, kind]}
""",
}


def write(folder: Path, **changes: str) -> Path:
    for name, text in FILES.items():
        path = folder / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(changes.get(path.stem, text))
    return folder


@pytest.fixture
def visits() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        run = connection.execute
        run("create table site (site_id int, name varchar)")
        run("insert into site values (1, 'north'), (2, 'south')")
        run("create table site_then (site_id int, name varchar, valid_from date, valid_to date)")
        run("insert into site_then values (1, 'old north', '2026-01-01', '2026-02-10')")
        run("insert into site_then values (1, 'north', '2026-02-10', '9999-12-31')")
        run("insert into site_then values (2, 'south', '2026-01-01', '9999-12-31')")
        run("create table visit (site_id int, kind varchar, visit_on date, guests int, kilos int)")
        run(
            "insert into visit values (1, 'a', '2026-02-01', 3, 1500), "
            "(1, 'a', '2026-02-01', null, 250), (1, 'b', '2026-02-20', 5, 1), "
            "(2, 'a', '2026-02-20', 7, null), (null, null, null, 1, 1)"
        )
        yield connection


def test_what_an_aggregate_cannot_tell_is_asked_of_the_facts(
    tmp_path: Path, visits: duckdb.DuckDBPyConnection
) -> None:
    catalogue = load_catalogue([write(tmp_path)])
    made = build_aggregates(catalogue, visits)
    assert made == [f"aggregate.visit__{name}" for name in ("daily", "graded", "nowhere")]

    def chosen(measures: str, by: str = "", scope: Scope | None = None, **rest: Any) -> Any:
        query = CubeQuery.from_mapping(
            {"cube": "visit", "measures": measures, "by": by, "period": "2026-02", **rest}
        )
        return run_query(
            catalogue, visits, query, scope=scope or Scope.all(), business_date=None
        ).aggregate

    assert chosen("visits") == chosen("guests_each", "kind") == "nowhere"
    assert chosen("visits", "site.name") == "daily"
    # A restricted account needs the unit of every row.
    assert chosen("visits", "kind", Scope.units(["1"])) == "daily"
    assert chosen("northern", "site", Scope.units(["1"])) == "graded"
    # What was read of a member as it is says nothing of what it was.
    assert chosen("visits", "site.name", as_was=True) == "daily"
    assert chosen("visits", "grade", as_was=True) is None
    assert chosen("northern", as_was=True) is None
    assert chosen("visits", "site,kind,grade") is None
    assert chosen("visits", "kind", period="2026-02-01") == "daily"


def test_an_aggregate_gives_counts_sums_and_what_was_as_the_facts_do(
    tmp_path: Path, visits: duckdb.DuckDBPyConnection
) -> None:
    catalogue = load_catalogue([write(tmp_path)])
    build_aggregates(catalogue, visits)
    query = CubeQuery.from_mapping(
        {"cube": "visit", "measures": "visits,guests,tons,guests_each", "by": "site.name",
         "as_was": True, "totals": "grand", "period": "2026"}
    )  # fmt: skip
    result = run_query(catalogue, visits, query, scope=Scope.all(), business_date=None)
    assert result.aggregate == "daily"
    rows = {row["site.name"]: row for row in result.rows}
    assert rows["old north"] == {
        "site.name": "old north", "visits": 2, "guests": 3, "tons": 1.75, "guests_each": 1.5,
    }  # fmt: skip
    assert (rows["north"]["visits"], rows["south"]["tons"]) == (1, None)
    assert result.totals == [{"visits": 4, "guests": 15, "tons": 1.751, "guests_each": 3.75}]
    empty = CubeQuery.from_mapping({"cube": "visit", "measures": "visits,guests", "period": "2020"})
    nothing = run_query(catalogue, visits, empty, scope=Scope.all(), business_date=None)
    assert nothing.rows == [{"visits": 0, "guests": None}] and nothing.aggregate == "nowhere"


def test_aggregates_are_replaced_whole_and_those_not_declared_any_more_go(
    tmp_path: Path, visits: duckdb.DuckDBPyConnection
) -> None:
    catalogue = load_catalogue([write(tmp_path)])
    build_aggregates(catalogue, visits)
    visits.execute("delete from visit where site_id = 2")
    less = FILES["definitions/visit"].split("  graded:")[0]
    fewer = load_catalogue([write(tmp_path, visit=less)])
    assert build_aggregates(fewer, visits) == ["aggregate.visit__daily"]
    found = [name for name in read_warehouse(visits).tables if name.startswith("aggregate.")]
    assert found == ["aggregate.visit__daily"]
    count = visits.execute("select sum(visits) from aggregate.visit__daily").fetchone()
    assert count == (4,)


def test_a_failed_build_of_aggregates_leaves_the_last_ones(
    tmp_path: Path, visits: duckdb.DuckDBPyConnection
) -> None:
    catalogue = load_catalogue([write(tmp_path)])
    build_aggregates(catalogue, visits)
    wrong = FILES["definitions/visit"].replace("sql: guests", "sql: no_such_column")
    with pytest.raises(duckdb.BinderException):
        build_aggregates(load_catalogue([write(tmp_path, visit=wrong)]), visits)
    count = visits.execute("select count(*) from aggregate.visit__daily").fetchone()
    assert count == (4,)


@pytest.mark.parametrize(
    ("tampered", "seen_by"),
    [
        ("update aggregate.visit__daily set guests = guests + 1 where by__kind = 'b'", "guests"),
        ("delete from aggregate.visit__daily where by__site is null", "visits"),
        ("insert into aggregate.visit__daily select * from aggregate.visit__daily limit 1", "tons"),
        ("update aggregate.visit__daily set by__kind = case by__kind when 'a' then 'b' when 'b' "
         "then 'a' end", "visits"),
        ("update aggregate.visit__daily set by__on = by__on + 1 where by__site = 2", "visits"),
    ],
)  # fmt: skip
def test_an_aggregate_that_tells_otherwise_than_the_facts_is_found(
    tmp_path: Path, visits: duckdb.DuckDBPyConnection, tampered: str, seen_by: str
) -> None:
    catalogue = load_catalogue([write(tmp_path)])
    build_aggregates(catalogue, visits)
    rng = random.Random(7)
    assert compare_aggregates(catalogue, visits, rng=rng, cuts=40) == []
    visits.execute(tampered)
    found = compare_aggregates(catalogue, visits, rng=rng, cuts=40)
    assert {one.aggregate for one in found} == {"daily"}
    assert any(seen_by in one.query.measures for one in found)


def test_odd_members_and_the_last_day_there_is_are_compared_like_others(
    tmp_path: Path, visits: duckdb.DuckDBPyConnection
) -> None:
    monthly = FILES["definitions/visit"].replace("daily: {by: [on.day", "daily: {by: [on.month")
    catalogue = load_catalogue([write(tmp_path, visit=monthly)])
    for kind in ("", "#", "#a", "\\a", "a..b", "a/b", "true"):
        visits.execute("insert into visit values (1, ?, '9999-12-31', 1, 1)", [kind])
    build_aggregates(catalogue, visits)
    assert compare_aggregates(catalogue, visits, rng=random.Random(3), cuts=150) == []
    asked = {"cube": "visit", "measures": "visits"}
    for period in ("9999-12-31", "9999-12", "9999", "2026-02-01..9999-12-31", "9999-Q4.."):
        query = CubeQuery.from_mapping({**asked, "period": period})
        (row,) = run_query(catalogue, visits, query, scope=Scope.all(), business_date=None).rows
        assert row["visits"] == (11 if period.startswith("2026") else 7), period


def test_every_fault_of_aggregates_is_told_with_its_place(tmp_path: Path) -> None:
    wrong = FILES["definitions/visit"].split("aggregates:")[0] + (
        "  mode: {agg: max, sql: guests}\n"
        "  stock: {agg: sum, sql: guests, over_time: last}\n"
        "aggregates:\n"
        "  one: {by: [on.hour, site.nam, kindd], measures: [vists, mode]}\n"
        "  two: {by: [on.month], measures: [stock]}\n"
    )
    with pytest.raises(DeclarationError) as caught:
        load_catalogue([write(tmp_path, visit=wrong)])
    told = str(caught.value)
    for part in (
        "aggregates.one.by.0: time 'on' has no grain 'hour'",
        "aggregates.one.by.1: dimension 'site' has no level or attribute 'nam' (did you mean "
        "'name'?)",
        "aggregates.one.by.2: cube 'visit' has no dimension or time 'kindd' (did you mean 'kind'?)",
        "aggregates.one.measures.0: cube 'visit' has no measure 'vists' (did you mean 'visits'?)",
        "aggregates.one.measures.1: 'mode' does not add up; only counts and sums do",
        "aggregates.two.measures.0: 'stock' is taken at a day, so 'by' must keep 'on.day'",
    ):
        assert part in told
