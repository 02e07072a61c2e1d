"""As it was: figures where units, customers and categories stood at each fact's date."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from cubes.catalogue import Catalogue, check_catalogue, load_catalogue
from cubes.errors import DeclarationError, QueryError
from cubes.named_query import run_named_query
from cubes.query import CubeQuery, CubeResult, run_query
from cubes.query_macro import create_macros
from cubes.scope import Scope
from cubes.table import render_table
from tests.cubes.conftest import Ask
from tests.soak import fuzz

FILES = {
    "dimensions/place": """
dimension: place
label: {zh: 地方, en: Place}
table: place
key: place_id
code: code
name: city
history: place_history
scope: true
hierarchies:
  place: {levels: [region, city], closure: place_closure}
""",
    "dimensions/buyer": """
dimension: buyer
label: {zh: 买家, en: Buyer}
table: buyer
key: buyer_id
unit: place_id
history: buyer_history
attributes: {segment: {}}
""",
    "dimensions/shelf": """
dimension: shelf
label: {zh: 货架, en: Shelf}
table: shelf
key: shelf_id
attributes: {colour: {}}
""",
    "definitions/sale": """
cube: sale
fact: sale
time: {sold: {sql: sold_on, label: {zh: 销售, en: Sold}}, paid: paid_on}
joins: {place: place_id, buyer: buyer_id, shelf: shelf_id}
measures:
  rows: {agg: count}
  amount: {agg: sum, sql: amount}
  rich: {agg: count, where: buyer.segment = 'rich'}
  per_head: {ratio: [amount, head.heads]}
""",
    "definitions/head": """
cube: head
fact: head
time: {month: {sql: month_on, grain: month}}
joins: {place: place_id}
measures:
  heads: {agg: sum, sql: heads, over_time: last}
""",
    "definitions/board": """
cube: board
fact: head
joins: {place: place_id}
measures: {rows: {agg: count}}
""",
    "queries/moved": """
query: moved
label: Moved
cube: sale
measures: [amount]
by: [place.region]
as_was: true
""",
}
START = date(2026, 1, 28)
FIRST, LAST = date(1900, 1, 1), date(9999, 12, 31)


class World:
    """A connection and the catalogue of cubes whose dimensions have histories."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
        self.connection = connection
        self.catalogue = catalogue

    def fill(self, table: str, rows: list[Any]) -> None:
        self.connection.execute(f"delete from {table}")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self.connection.executemany(f"insert into {table} values ({marks})", rows)

    def ask(
        self, measures: Any, by: Any = (), scope: Scope | None = None, **rest: Any
    ) -> CubeResult:
        mapping = {"cube": "sale", "measures": measures, "by": by, "as_was": True, **rest}
        return run_query(
            self.catalogue,
            self.connection,
            CubeQuery.from_mapping(mapping),
            scope=scope or Scope.all(),
            business_date=date(2026, 3, 30),
            language="en",
        )

    def rows(self, sql: str) -> list[dict[str, Any]]:
        cursor = self.connection.execute(sql)
        names = [item[0] for item in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture(scope="module")
def catalogue_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("as_was")
    for name, text in FILES.items():
        path = folder / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def world(catalogue_folder: Path) -> Iterator[World]:
    """Place 1 moved from N to S on 1 March and was renamed a to aa on 10 March; 2 never moved.

    Buyer 7 was poor and belonged to place 2, and is rich and belongs to place 1 since 5 March.
    """
    with duckdb.connect() as connection:
        run = connection.execute
        run("create table place (place_id int, code varchar, region varchar, city varchar)")
        run(
            "create table place_history (place_id int, code varchar, region varchar, city varchar, "
            "valid_from date, valid_to date)"
        )
        run("create table place_closure (ancestor_id int, descendant_id int)")
        run("create table buyer (buyer_id int, place_id int, segment varchar)")
        run(
            "create table buyer_history (buyer_id int, place_id int, segment varchar, "
            "valid_from date, valid_to date)"
        )
        run("create table shelf (shelf_id int, colour varchar)")
        run(
            "create table sale (place_id int, buyer_id int, shelf_id int, sold_on date, "
            "paid_on date, amount int)"
        )
        run("create table head (place_id int, month_on date, heads int)")
        run("insert into shelf values (1, 'red')")
        run("insert into place values (1, 'A', 'S', 'aa'), (2, 'B', 'S', 'b')")
        run("insert into place_closure values (1, 1), (2, 2)")
        run(
            "insert into place_history values (1, 'A', 'N', 'a', '1900-01-01', '2026-03-01'), "
            "(1, 'A', 'S', 'a', '2026-03-01', '2026-03-10'), "
            "(1, 'A', 'S', 'aa', '2026-03-10', '9999-12-31'), "
            "(2, 'B', 'S', 'b', '1900-01-01', '9999-12-31')"
        )
        run("insert into buyer values (7, 1, 'rich')")
        run(
            "insert into buyer_history values (7, 2, 'poor', '1900-01-01', '2026-03-05'), "
            "(7, 1, 'rich', '2026-03-05', '9999-12-31')"
        )
        run(
            "insert into sale values "
            "(1, 7, 1, '2026-02-28', '2026-03-02', 1), (1, 7, 1, '2026-03-01', '2026-03-20', 2), "
            "(1, 7, 1, '2026-03-20', null, 4), (2, 7, 1, '2026-02-28', null, 8), "
            "(9, null, null, '2026-02-28', null, 16)"
        )
        run(
            "insert into head values (1, '2026-02-01', 10), (2, '2026-02-01', 2), "
            "(1, '2026-03-01', 20), (2, '2026-03-01', 3)"
        )
        yield World(connection, load_catalogue([catalogue_folder]))


def figures(result: CubeResult, *names: str) -> dict[Any, Any]:
    keys = [tuple(row[name] for name in names) for row in result.rows]
    assert len(set(keys)) == len(keys)
    return {
        (key if len(names) > 1 else key[0]): row["amount"]
        for key, row in zip(keys, result.rows, strict=True)
    }


def test_a_moved_units_figures_split_at_the_date_it_moved(world: World) -> None:
    assert figures(world.ask("amount", "place.region"), "place.region") == {
        "N": 1,
        "S": 14,
        None: 16,
    }
    today = world.ask("amount", "place.region", as_was=False)
    assert figures(today, "place.region") == {"S": 15, None: 16}


def test_the_date_is_that_of_the_time_the_query_names(world: World) -> None:
    paid = world.ask("amount", "place.region", time="paid")
    # Paid on 2 and 20 March; what was never paid has no date, so it stands nowhere.
    assert figures(paid, "place.region") == {"S": 3, None: 28}


def test_totals_are_those_of_all_rows_whatever_moved(world: World) -> None:
    result = world.ask("amount,rows", "place.region,place.city", totals="all")
    assert figures(result, "place.region", "place.city") == {
        ("N", "a"): 1,
        ("S", "a"): 2,
        ("S", "aa"): 4,
        ("S", "b"): 8,
        (None, None): 16,
    }
    assert {"amount": 31, "rows": 5} in result.totals
    assert {"place.region": "S", "amount": 14, "rows": 3} in result.totals


def test_a_cut_asks_for_the_place_of_the_time(world: World) -> None:
    assert world.ask("amount", cuts={"place.region": "N"}).rows == [{"amount": 1}]
    assert world.ask("amount", cuts={"place.region": ["N", None]}).rows == [{"amount": 17}]
    assert world.ask("amount", cuts={"place.region": None}).rows == [{"amount": 16}]
    assert world.ask("amount", cuts={"place": "N/a"}).rows == [{"amount": 1}]
    assert world.ask("amount", cuts={"place": "#A"}).rows == [{"amount": 7}]
    assert world.ask("amount", cuts={"place.city": "S/a"}).rows == [{"amount": 2}]
    assert world.ask("amount", cuts={"buyer.segment": "q..s"}).rows == [{"amount": 4}]


def test_a_member_of_the_past_can_be_named_only_as_it_was(world: World) -> None:
    with pytest.raises(QueryError, match="no member 'N'"):
        world.ask("amount", cuts={"place.region": "N"}, as_was=False)
    with pytest.raises(QueryError, match=r"no member 'NN'.*did you mean 'N'"):
        world.ask("amount", cuts={"place.region": "NN"})


def test_drilling_into_a_member_of_the_past_adds_up_to_it(world: World) -> None:
    whole = figures(world.ask("amount", "place.region"), "place.region")
    for region in ("N", "S"):
        inside = world.ask("amount", "place.city,sold.day", cuts={"place.region": region})
        assert sum(row["amount"] for row in inside.rows) == whole[region]


def test_measures_that_read_a_dimension_read_what_it_was(world: World) -> None:
    assert world.ask("rich").rows == [{"rich": 1}]
    assert world.ask("rich", as_was=False).rows == [{"rich": 4}]


def test_a_key_is_called_what_it_was_called_at_the_end_of_the_period(world: World) -> None:
    def names(**rest: Any) -> set[Any]:
        result = world.ask("amount", "place", **rest)
        return {result.text("place", row["place"]) for row in result.rows}

    assert names(period="2026-02") == {"a", "b", 9}
    assert names(period="2026-03") == {"aa"}
    assert names() == {"aa", "b", 9}
    assert names(period="2026-02", as_was=False) == {"aa", "b", 9}


def test_a_compared_period_stands_where_it_stood_too(world: World) -> None:
    result = world.ask("amount", "place.region", period="2026-03", compare="previous")
    found = {row["place.region"]: (row["amount"], row["amount__previous"]) for row in result.rows}
    assert found == {"S": (6, 8), "N": (0, 1), None: (0, 16)}


def test_a_ratio_with_another_cube_takes_both_sides_as_they_were(world: World) -> None:
    rows = world.ask("per_head", "place.region,sold.month", period="2026-02..2026-03").rows
    found = {(row["place.region"], row["sold.month"].month): row["per_head"] for row in rows}
    assert found == {("N", 2): 0.1, ("S", 2): 4.0, ("S", 3): 6 / 23, (None, 2): None}


def test_scope_is_by_todays_tree(world: World) -> None:
    mine = Scope.units([1])  # type: ignore[list-item]
    result = world.ask("amount", "place.region", scope=mine)
    assert figures(result, "place.region") == {"N": 1, "S": 6}
    # Buyer 7 belonged to place 2 once, and is known to the account because it belongs to 1 today.
    assert world.ask("amount", cuts={"buyer.segment": "poor"}, scope=mine).rows == [{"amount": 3}]
    with pytest.raises(QueryError, match="that this account may see"):
        world.ask("amount", cuts={"place.city": "b"}, scope=mine)


def test_what_has_no_history_stays_as_it_is_and_the_answer_says_so(world: World) -> None:
    result = world.ask("amount", "place.region,shelf.colour")
    assert result.to_mapping()["as_was"] == {
        "time": "sold",
        "as_was": ["place"],
        "as_is": ["shelf"],
    }
    caption = str(render_table(result, language="en").caption)
    assert caption == (
        "as it was at the date 'Sold': Place; without a history, as it is today: Shelf"
    )
    today = world.ask("amount", "place.region", as_was=False)
    assert "as_was" not in json.loads(today.to_json())
    assert render_table(today).caption is None


def test_a_cube_without_a_time_has_no_then(world: World) -> None:
    with pytest.raises(QueryError, match="'board' has no time, so 'as_was' means nothing"):
        world.ask("rows", "place.region", cube="board")


def test_a_named_query_and_its_macro_look_back(world: World) -> None:
    asked = {"scope": Scope.all(), "business_date": date(2026, 3, 30)}
    result = run_named_query(world.catalogue, world.connection, "moved", {}, **asked)
    assert figures(result, "place.region") == {"N": 1, "S": 14, None: 16}
    create_macros(world.catalogue, world.connection, business_date=date(2026, 3, 30))
    assert world.rows("select * from q_moved() order by amount") == [
        {"place.region": "N", "amount": 1},
        {"place.region": "S", "amount": 14},
        {"place.region": None, "amount": 16},
    ]


def test_a_history_that_is_missing_is_named(world: World) -> None:
    world.connection.execute("drop table place_history")
    with pytest.raises(QueryError, match="needs the table 'place_history'"):
        world.ask("amount", "place.region")
    assert world.ask("amount", "shelf.colour").rows
    with pytest.raises(DeclarationError, match="no table 'place_history'"):
        check_catalogue(world.catalogue, world.connection)


def test_a_history_that_would_count_facts_twice_or_lacks_columns_is_refused(world: World) -> None:
    check_catalogue(world.catalogue, world.connection)
    world.connection.execute(
        "update place_history set valid_from = '2026-02-27' where valid_from = '2026-03-01'"
    )
    world.connection.execute("alter table buyer_history drop column segment")
    with pytest.raises(DeclarationError) as caught:
        check_catalogue(world.catalogue, world.connection)
    told = str(caught.value)
    assert "place.yml:8: history: 1 versions in place_history overlap" in told
    assert "buyer.yml:7: history: table buyer_history has no column 'segment'" in told


def test_one_version_of_everything_is_as_it_is(ask: Ask) -> None:
    for cube, measures, by in (
        ("cases", "cases,complaints,reply_p90,complaints_per_10k", "org.l2,category.l1,created"),
        ("sales", "revenue,orders,average_revenue", "org.unit,customer.segment,product"),
        ("customers", "active,average_revenue", "org.l3,month.month"),
    ):
        today = ask(cube, measures, by, totals="all", period="2026", keys=True)
        then = ask(cube, measures, by, totals="all", period="2026", keys=True, as_was=True)
        assert (then.rows, then.totals) == (today.rows, today.totals)
        assert then.rows


bounds = st.lists(
    st.integers(1, 39).map(lambda n: START + timedelta(days=n)), max_size=4, unique=True
)
texts = st.sampled_from(["N", "S", "W", None])


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Versions of the places 1 to 3 without overlap or gap; place 4 has none."""
    rows: list[tuple[Any, ...]] = []
    for place in (1, 2, 3):
        edges = [FIRST, *sorted(draw(bounds)), LAST]
        for begins, ends in pairwise(edges):
            region = draw(texts)
            rows.append((place, f"c{place}", region, f"{region}{place}", begins, ends))
    return rows


sales = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3, 4, None]),
        st.just(None),
        st.just(None),
        st.none() | st.integers(0, 40).map(lambda n: START + timedelta(days=n)),
        st.none() | st.integers(0, 40).map(lambda n: START + timedelta(days=n)),
        st.integers(-50, 50),
    ),
    max_size=30,
)


@fuzz(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    histories(),
    sales,
    st.sampled_from(["sold", "paid"]),
    st.lists(
        st.sampled_from(["place.region", "place.city", "sold.month"]), max_size=3, unique=True
    ),
    st.lists(texts, max_size=2, unique=True),
)
def test_a_query_as_it_was_is_plain_sql_over_the_history(
    world: World, history: list[Any], rows: list[Any], time: str, by: list[str], cut: list[Any]
) -> None:
    world.fill("place_history", history)
    world.fill("sale", rows)
    names = {
        "place.region": "h.region",
        "place.city": "h.city",
        "sold.month": "date_trunc('month', s.sold_on)::date",
    }
    known = {row[2] for row in history}
    cut = [region for region in cut if region is None or region in known]
    where = " or ".join(
        "h.region is null" if region is None else f"h.region = '{region}'" for region in cut
    )
    columns = "".join(f'{names[name]} as "{name}", ' for name in by)
    place = (
        "place_history h on h.place_id = s.place_id "
        f"and h.valid_from <= s.{time}_on and s.{time}_on < h.valid_to"
    )
    grouped = "group by all" if by else ""
    expected = world.rows(
        f"select {columns}count(*) as rows, sum(s.amount) as amount from sale s left join {place} "
        f"where {where or 'true'} {grouped}"
    )
    cuts = {"place.region": cut} if cut else {}
    result = world.ask("rows,amount", by, time=time, cuts=cuts)

    def key(row: dict[str, Any]) -> str:
        return repr([row[name] for name in by])

    assert sorted(result.rows, key=key) == sorted(expected, key=key)
    # Whatever moved, no row is counted twice and none is lost.
    if not cut:
        assert sum(row["rows"] for row in result.rows) == len(rows)


@fuzz(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(texts, min_size=3, max_size=3),
    sales.map(lambda rows: [row for row in rows if row[3] is not None]),
    st.lists(st.sampled_from(["place", "place.region", "place.city"]), max_size=2, unique=True),
    st.lists(st.sampled_from(["N", "S", "W"]), max_size=2, unique=True),
)
def test_places_that_never_moved_are_as_they_are(
    world: World, regions: list[Any], rows: list[Any], by: list[str], cut: list[str]
) -> None:
    places = [(n, f"c{n}", region, f"{region}{n}") for n, region in enumerate(regions, 1)]
    world.fill("place", places)
    world.fill("place_history", [(*place, FIRST, LAST) for place in places])
    world.fill("sale", rows)
    cut = [region for region in cut if region in regions]
    asked: dict[str, Any] = {"totals": "all", "cuts": {"place.region": cut} if cut else {}}
    then = world.ask("rows,amount", by, **asked)
    today = world.ask("rows,amount", by, as_was=False, **asked)
    assert (then.rows, then.totals) == (today.rows, today.totals)
    assert then.member_labels == today.member_labels
