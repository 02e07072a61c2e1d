"""Jurisdiction: what a restricted account sees."""

from __future__ import annotations

import duckdb
import pytest

from cubes.catalogue import Catalogue, load_catalogue
from cubes.errors import QueryError
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from tests.cubes.conftest import BUSINESS_DATE, Ask


def test_a_restricted_total_is_the_total_of_the_visible_rows(ask: Ask) -> None:
    result = ask("cases", "cases", "org.unit", scope=Scope.units(["5101"]), totals="grand")
    assert sum(row["cases"] for row in result.rows) == 3
    assert result.totals == [{"cases": 3}]


def test_several_units_add_up_and_overlapping_ones_count_once(ask: Ask) -> None:
    assert ask("cases", "cases", scope=Scope.units(["510102", "5102"])).rows == [{"cases": 3}]
    assert ask("cases", "cases", scope=Scope.units(["5101", "510101"])).rows == [{"cases": 3}]


def test_no_unit_sees_nothing_and_a_stranger_neither(ask: Ask) -> None:
    assert ask("cases", "cases", scope=Scope.units([])).rows == [{"cases": 0}]
    assert ask("cases", "cases", scope=Scope.units(["99"])).rows == [{"cases": 0}]


def test_both_sides_of_a_ratio_with_another_cube_are_restricted(ask: Ask) -> None:
    (row,) = ask(
        "cases", "complaints_per_10k", period="2026-03-30", scope=Scope.units(["5101"])
    ).rows
    assert row["complaints_per_10k"] == pytest.approx(2 / 3 * 10000)


def test_the_compared_period_is_restricted_too(ask: Ask) -> None:
    (row,) = ask(
        "sales",
        "revenue",
        period="2026-03",
        compare="previous",
        scope=Scope.units(["5101"]),
    ).rows
    assert row["revenue__previous"] == 0


def test_unit_ids_are_bound_as_one_list(ask: Ask) -> None:
    result = ask("cases", "cases", scope=Scope.units(["5102", "5101"]))
    assert ["5101", "5102"] in result.parameters.values()
    assert "5101" not in result.sql


def test_a_cube_without_a_scoped_dimension_is_closed_to_restricted_accounts(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("declarations")
    (folder / "definitions").mkdir()
    (folder / "definitions" / "plain.yml").write_text(
        "cube: plain\nfact: t\nmeasures: {rows: {agg: count}}\n"
    )
    catalogue: Catalogue = load_catalogue([folder])
    query = CubeQuery.from_mapping({"cube": "plain", "measures": "rows"})
    with duckdb.connect() as connection:
        connection.execute("create table t as select 1 as x")
        with pytest.raises(QueryError, match="no dimension with a scope"):
            run_query(
                catalogue,
                connection,
                query,
                scope=Scope.units(["a"]),
                business_date=BUSINESS_DATE,
            )


def test_a_closed_unit_stays_visible_and_a_moved_one_only_at_its_new_place(
    catalogue: Catalogue,
) -> None:
    from tests.cubes.marts import make_marts

    def cases(connection: duckdb.DuckDBPyConnection, unit: str) -> int:
        result = run_query(
            catalogue,
            connection,
            CubeQuery("cases", ("cases",)),
            scope=Scope.units([unit]),
            business_date=BUSINESS_DATE,
        )
        return int(result.rows[0]["cases"])

    with duckdb.connect() as connection:
        make_marts(connection)
        connection.execute(
            "update marts.bridge_org_closure set valid_to = date '2026-03-01' "
            "where descendant_id = '510102'"
        )
        assert cases(connection, "5101") == 3
        connection.execute(
            "insert into marts.bridge_org_closure values "
            "('5102', '510102', 1, '2026-03-01', '9999-12-31')"
        )
        assert cases(connection, "5101") == 2
        assert cases(connection, "5102") == 3
