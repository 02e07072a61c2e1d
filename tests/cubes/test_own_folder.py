"""Any DuckDB file with any folder of declarations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cubes.catalogue import Catalogue, check_catalogue, load_catalogue
from cubes.errors import DeclarationError, QueryError
from cubes.query import CubeQuery, CubeResult, run_query
from cubes.scope import Scope

PLACE = """
dimension: place
table: place
key: place_id
parent: {table: region, key: region_id, on: region_id}
hierarchies:
  place:
    levels: [{name: region, sql: parent.region_name}, city]
attributes:
  size: {sql: "case when people > 100 then 'big' else 'small' end"}
"""
TRIPS = """
cube: trips
fact: order
where: not is_test
time: {taken: taken_at}
joins:
  start: {dimension: place, on: start_id}
  end: {dimension: place, on: end_id}
dimensions:
  long: {sql: km > 10}
  stars: {sql: stars}
  grade: {sql: cast(stars as varchar)}
  day: {sql: cast(taken_at as date)}
measures:
  trips: {agg: count}
  km: {agg: sum, sql: km}
  far: {agg: sum, sql: km, where: start.people > 100}
  top: {agg: max, sql: km}
  mean: {agg: avg, sql: km}
  cost: {agg: sum, sql: price}
  cost_per_km: {ratio: [cost, km]}
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[tuple[Catalogue, duckdb.DuckDBPyConnection]]:
    for part, name, text in (("dimensions", "place", PLACE), ("definitions", "trips", TRIPS)):
        (tmp_path / part).mkdir()
        (tmp_path / part / f"{name}.yml").write_text(text)
    with duckdb.connect(str(tmp_path / "any.duckdb")) as connection:
        connection.execute("create table region (region_id int, region_name varchar)")
        connection.execute("insert into region values (1, 'North'), (2, 'South')")
        connection.execute(
            "create table place (place_id int, city varchar, region_id int, people int)"
        )
        connection.execute(
            "insert into place values (1, 'A', 1, 500), (2, 'B', 1, 50), (3, 'A', 2, 60)"
        )
        connection.execute(
            'create table "order" (start_id int, end_id int, taken_at timestamp, km int, '
            "stars int, price decimal(9, 3), is_test boolean)"
        )
        connection.execute(
            'insert into "order" values '
            "(1, 2, '2026-01-31 23:30:00', 5, 1, 1.250, false), "
            "(1, 3, '2026-02-01 00:10:00', 20, 5, 2.125, false), "
            "(3, 1, '2026-02-02 10:00:00', 11, 3, 3.000, false), "
            "(2, 2, '2026-02-02 11:00:00', 99, 5, 9.000, true)"
        )
        yield load_catalogue([tmp_path]), connection


def ask(database: tuple[Catalogue, duckdb.DuckDBPyConnection], **query: Any) -> CubeResult:
    catalogue, connection = database
    return run_query(
        catalogue,
        connection,
        CubeQuery.from_mapping({"cube": "trips", **query}),
        scope=Scope.all(),
        business_date=None,
    )


def test_the_declarations_fit_the_file(
    database: tuple[Catalogue, duckdb.DuckDBPyConnection],
) -> None:
    check_catalogue(*database)


def test_a_snowflaked_level_and_two_roles_of_one_dimension(
    database: tuple[Catalogue, duckdb.DuckDBPyConnection],
) -> None:
    result = ask(database, measures="trips,km", by="start.region,end.region", totals="grand")
    assert result.rows == [
        {"start.region": "North", "end.region": "North", "trips": 1, "km": 5},
        {"start.region": "North", "end.region": "South", "trips": 1, "km": 20},
        {"start.region": "South", "end.region": "North", "trips": 1, "km": 11},
    ]
    assert result.totals == [{"trips": 3, "km": 36}]


def test_cuts_on_snowflaked_paths_keys_ranges_and_truth_values(
    database: tuple[Catalogue, duckdb.DuckDBPyConnection],
) -> None:
    def trips(**cuts: Any) -> int:
        return int(ask(database, measures="trips", cuts=cuts).rows[0]["trips"])

    assert trips(start="North/A") == 2
    assert trips(**{"start.city": "A"}) == 3
    assert trips(**{"start.city": "South/A"}) == 1
    assert trips(start="#3") == 1
    assert trips(start=[1, 3]) == 3
    assert trips(long=True) == 2
    assert trips(long="false") == 1
    assert trips(stars="1..3") == 2
    assert trips(stars=[5, 3]) == 2
    assert trips(**{"start.size": "small"}) == 1
    assert trips(grade="1..3") == 2 and trips(grade="..4.5") == 2
    assert trips(day="2026-02-01..2026-02-02") == 2 and trips(day="..2026-01-31") == 1
    # A level without a key is its name, and names have an order; a path of names has none.
    assert trips(**{"start.city": "A..A"}) == 3
    assert trips(**{"end.city": "B.."}) == 1
    with pytest.raises(
        QueryError, match=r"'North\.\.South' is a range, but 'start' has named members"
    ):
        trips(start="North..South")


def test_a_hierarchy_that_says_no_branch_ends_early_is_held_to_it(
    tmp_path: Path, database: tuple[Catalogue, duckdb.DuckDBPyConnection]
) -> None:
    _, connection = database
    even = PLACE.replace("  place:\n    levels", "  place:\n    ragged: false\n    levels")
    (tmp_path / "dimensions" / "place.yml").write_text(even)
    catalogue = load_catalogue([tmp_path])
    check_catalogue(catalogue, connection)
    # A place of no region, and one whose region is not known.
    connection.execute("insert into place values (4, 'C', null, 5), (5, null, 9, 5)")
    with pytest.raises(DeclarationError) as caught:
        check_catalogue(catalogue, connection)
    assert "place.yml:8: hierarchies.place.ragged: 2 members of place have no 'region'" in str(
        caught.value
    )
    assert "1 members of place have no 'city'; write 'ragged: true'" in str(caught.value)
    (tmp_path / "dimensions" / "place.yml").write_text(even.replace("false", "true"))
    check_catalogue(load_catalogue([tmp_path]), connection)


def test_timestamps_are_cut_by_their_local_day(
    database: tuple[Catalogue, duckdb.DuckDBPyConnection],
) -> None:
    result = ask(database, measures="trips", by="taken.month")
    assert [(row["taken.month"], row["trips"]) for row in result.rows] == [
        (date(2026, 1, 1), 1),
        (date(2026, 2, 1), 2),
    ]
    assert ask(database, measures="trips", period="2026-01-31").rows == [{"trips": 1}]


def test_measures_over_joined_columns_extremes_means_and_exact_money(
    database: tuple[Catalogue, duckdb.DuckDBPyConnection],
) -> None:
    (row,) = ask(database, measures="far,top,mean,cost,cost_per_km").rows
    assert row == {
        "far": 25,
        "top": 20,
        "mean": 12.0,
        "cost": Decimal("6.375"),
        "cost_per_km": 6.375 / 36,
    }


def test_the_json_form_is_as_designed(
    database: tuple[Catalogue, duckdb.DuckDBPyConnection],
) -> None:
    result = ask(database, measures="cost,mean,trips", by="taken.day,long", totals="grand")
    data = json.loads(result.to_json())
    assert list(data) == ["columns", "rows", "totals", "snapshot", "sql", "asked"]
    assert data["asked"] == {"times": [], "cuts": {}, "units": None, "is_possible": True}
    assert data["columns"] == [
        {"name": "taken.day", "label": "taken日", "type": "date"},
        {"name": "long", "label": "long", "type": "boolean"},
        {"name": "cost", "label": "cost", "type": "decimal"},
        {"name": "mean", "label": "mean", "type": "number"},
        {"name": "trips", "label": "trips", "type": "integer"},
    ]
    assert data["rows"][0] == {
        "taken.day": "2026-01-31",
        "long": False,
        "cost": "1.250",
        "mean": 5.0,
        "trips": 1,
    }
    assert data["totals"] == [{"cost": "6.375", "mean": 12.0, "trips": 3}]
    assert data["snapshot"] is None


def test_arrow_and_pandas_carry_the_rows_with_their_types(
    database: tuple[Catalogue, duckdb.DuckDBPyConnection],
) -> None:
    result = ask(database, measures="cost,trips", by="start.city")
    table = result.to_arrow()
    assert table.column_names == ["start.city", "cost", "trips"]
    assert str(table.schema.field("cost").type) == "decimal128(38, 3)"
    frame = result.to_pandas()
    assert frame["trips"].tolist() == [3]
    assert frame["cost"].tolist() == [Decimal("6.375")]


def test_an_absent_fact_and_a_missing_calendar_are_told(
    database: tuple[Catalogue, duckdb.DuckDBPyConnection],
) -> None:
    catalogue, connection = database
    with pytest.raises(QueryError, match="dim_date"):
        run_query(
            catalogue,
            connection,
            CubeQuery("trips", ("trips",), period="last 3 working days"),
            scope=Scope.all(),
            business_date=date(2026, 2, 2),
        )
    with (
        duckdb.connect() as empty,
        pytest.raises(QueryError, match="reads table 'order', which this database does not have"),
    ):
        run_query(
            catalogue, empty, CubeQuery("trips", ("trips",)), scope=Scope.all(), business_date=None
        )


@pytest.mark.parametrize(("sql", "visits"), [("kind", [2, 1]), ("upper(kind)", [3, 3])])
def test_a_word_two_facts_share_counts_only_if_it_means_the_same(
    tmp_path: Path, sql: str, visits: list[int]
) -> None:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "sale.yml").write_text(
        "cube: sale\nfact: sale\ndimensions: {kind: {sql: kind}}\n"
        "measures:\n  sales: {agg: count}\n  visits_per_sale: {ratio: [visit.visits, sales]}\n"
    )
    (tmp_path / "definitions" / "visit.yml").write_text(
        f"cube: visit\nfact: visit\ndimensions: {{kind: {{sql: {sql}}}}}\n"
        "measures:\n  visits: {agg: count}\n"
    )
    with duckdb.connect() as connection:
        connection.execute("create table sale as select unnest(['a', 'b']) as kind")
        connection.execute("create table visit as select unnest(['a', 'a', 'b']) as kind")
        query = CubeQuery("sale", ("visits_per_sale",), by=("kind",))
        result = run_query(
            load_catalogue([tmp_path]), connection, query, scope=Scope.all(), business_date=None
        )
    assert [row["visits_per_sale"] for row in result.rows] == visits


def test_whatever_the_database_refuses_is_a_query_error_with_its_cause(tmp_path: Path) -> None:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "sale.yml").write_text(
        "cube: sale\nfact: sale\ndimensions: {kind: {sql: kind}}\n"
        "measures: {total: {agg: sum, sql: amount}, low: {agg: min, sql: cast(kind as integer)}}\n"
    )
    catalogue = load_catalogue([tmp_path])
    connection = duckdb.connect()

    def refused(**query: Any) -> QueryError:
        with pytest.raises(QueryError) as caught:
            run_query(
                catalogue,
                connection,
                CubeQuery.from_mapping({"cube": "sale", **query}),
                scope=Scope.all(),
                business_date=None,
            )
        assert isinstance(caught.value.__cause__, duckdb.Error)
        return caught.value

    big = "9223372036854775807::bigint::decimal(38, 0) * 10000000000000000000"
    connection.execute(f"create table sale as select 'a' as kind, {big} as amount from range(9)")
    assert "Trying again does not help" in str(refused(measures="low"))
    assert "could not be queried: Out of Range Error" in str(refused(measures="total"))
    connection.close()
    assert "Try again once the database can be read" in str(refused(measures="total"))
