"""Views for analysts' tools."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from cubes.catalogue import Catalogue
from cubes.view import create_views, view_sql
from tests.cubes.marts import make_marts


def test_a_view_has_a_row_for_each_fact_and_names_of_all_levels(catalogue: Catalogue) -> None:
    with duckdb.connect() as connection:
        make_marts(connection)
        assert create_views(catalogue, connection) == [
            f"cube.{name}{language}"
            for language in ("", "_en")
            for name in (
                "arrears",
                "assignments",
                "backlog",
                "bills",
                "calls",
                "cases",
                "customers",
                "deliveries",
                "exchange_events",
                "mentions",
                "messages",
                "payments",
                "rectifications",
                "sales",
                "sla",
                "sla_as_is",
                "staffing",
                "survey_responses",
                "usage",
                "votes",
            )
        ]
        row = connection.execute(
            "select org_l2, org_l2_id, product_family, amount from cube.sales where sale_id = '1'"
        ).fetchone()
        assert row is not None
        assert [str(value) for value in row] == ["成都", "5101", "broadband", "100.10"]
        for cube in catalogue.cubes.values():
            counts = connection.execute(
                f"select (select count(*) from cube.{cube.cube}), "
                f"(select count(*) from marts.{cube.fact} where {cube.where or 'true'})"
            ).fetchone()
            assert counts is not None and counts[0] == counts[1] > 0


def test_a_file_with_views_works_when_it_is_copied_under_another_name(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    with duckdb.connect(str(tmp_path / "one.duckdb")) as connection:
        make_marts(connection)
        create_views(catalogue, connection)
        create_views(catalogue, connection)
    shutil.copy(tmp_path / "one.duckdb", tmp_path / "another.duckdb")
    (tmp_path / "one.duckdb").unlink()
    with duckdb.connect(str(tmp_path / "another.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from cube.cases").fetchone() == (6,)


def test_without_a_warehouse_the_marts_are_taken_as_documented(catalogue: Catalogue) -> None:
    with duckdb.connect() as connection:
        make_marts(connection)
        connection.execute("create schema cube")
        for name in catalogue.cubes:
            connection.execute(view_sql(catalogue, name))
        columns = [
            row[0] for row in connection.execute("describe select * from cube.cases").fetchall()
        ]
        assert {"org_l8", "holder_l1", "category_l1", "customer_segment"} <= set(columns)
        assert not [name for name in columns if name.endswith("_1")]
