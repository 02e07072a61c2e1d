"""Table macros of named queries: the same numbers as the queries, in any copy of the file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest

from cubes.catalogue import Catalogue, load_catalogue, shipped_folder
from cubes.named_query import NamedQuery, run_named_query
from cubes.query_macro import create_macros, macro_sql
from cubes.scope import Scope
from cubes.warehouse import read_warehouse
from tests.cubes.conftest import BUSINESS_DATE
from tests.cubes.marts import make_marts

DAYS = [
    date(2026, 3, 30),
    date(2026, 3, 31),
    date(2026, 3, 1),
    date(2026, 2, 28),
    date(2026, 1, 31),
    date(2025, 12, 29),
    date(2024, 2, 29),
]


@pytest.fixture(scope="module")
def copied(
    tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse with its macros, copied under another name and opened read-only."""
    folder = tmp_path_factory.mktemp("macros")
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        make_marts(connection)
        create_macros(catalogue, connection, business_date=BUSINESS_DATE, zone="Asia/Shanghai")
    shutil.copy(folder / "warehouse.duckdb", folder / "elsewhere.duckdb")
    with duckdb.connect(str(folder / "elsewhere.duckdb"), read_only=True) as connection:
        yield connection


def _rows(connection: duckdb.DuckDBPyConnection, call: str, values: Any = None) -> list[str]:
    return sorted(map(str, connection.execute(f"select * from {call}", values or []).fetchall()))


def _asked(
    catalogue: Catalogue, connection: duckdb.DuckDBPyConnection, query: str, given: Any
) -> list[str]:
    result = run_named_query(
        catalogue, connection, query, given, scope=Scope.all(), business_date=BUSINESS_DATE
    )
    names = [column.name for column in result.columns]
    return sorted(str(tuple(row[name] for name in names)) for row in result.rows)


def test_every_shipped_query_is_a_macro(
    catalogue: Catalogue, copied: duckdb.DuckDBPyConnection
) -> None:
    found = copied.execute(
        "select distinct function_name from duckdb_functions() where function_type = 'table_macro' "
        "and not internal and function_name like 'q\\_%' escape '\\'"
    ).fetchall()
    assert {name for (name,) in found} == {f"q_{name}" for name in catalogue.queries}


@pytest.mark.parametrize("name", sorted(load_catalogue([shipped_folder()]).queries))
def test_a_macro_gives_the_numbers_of_its_query_on_every_day(
    catalogue: Catalogue, copied: duckdb.DuckDBPyConnection, name: str
) -> None:
    query = catalogue.queries[name]
    assert _rows(copied, f"q_{name}()") == _asked(catalogue, copied, name, {})
    for day in DAYS:
        given: dict[str, Any] = {"business_date": day.isoformat()}
        for parameter, value in (("days", 3), ("days", 90)):
            if parameter in query.parameters:
                given[parameter] = value
            call = ", ".join(f"{key} := {value!r}" for key, value in given.items())
            assert _rows(copied, f"q_{name}({call})") == _asked(catalogue, copied, name, given)


def test_a_unit_is_a_filter_that_may_be_left_out(
    catalogue: Catalogue, copied: duckdb.DuckDBPyConnection
) -> None:
    whole = _rows(copied, "q_arrears_by_unit()")
    part = _rows(copied, "q_arrears_by_unit(unit := '5101')")
    assert part == _asked(catalogue, copied, "arrears_by_unit", {"unit": "5101"})
    assert len(part) == 1 < len(whole)
    # A text that would be SQL is a unit that does not exist.
    assert _rows(copied, "q_arrears_by_unit(unit := '5101'' or ''1''=''1')") == []


OF_DAYS = {
    ("last {days} days", "previous"),
    ("last {days} months", "same_weekday"),
    ("week to date", "previous"),
    ("last full week", "previous"),
}
"""Comparisons whose months depend on the day, so that a monthly fact has no macro for them."""


@pytest.mark.parametrize(
    ("period", "compare"),
    [
        ("last {days} days", "previous"),
        ("last {days} weeks", None),
        ("last {days} months", None),
        ("last {days} months", "same_weekday"),
        ("last 2 years", None),
        ("week to date", "previous"),
        ("month to date", "previous"),
        ("month to date", "year"),
        ("quarter to date", "year"),
        ("year to date", "previous"),
        ("{business_date}", "previous"),
        ("{business_date}", "year"),
        ("last full week", "previous"),
        ("last full month", "previous"),
        ("last full quarter", "year"),
        ("last full year", "previous"),
        ("{month}", "previous"),
        ("{month}", "year"),
    ],
)
@pytest.mark.parametrize(("cube", "measure"), [("sales", "revenue"), ("customers", "active")])
def test_every_form_of_period_is_counted_alike(
    catalogue: Catalogue,
    marts: duckdb.DuckDBPyConnection,
    period: str,
    compare: str | None,
    cube: str,
    measure: str,
) -> None:
    measures = catalogue.cubes[cube].measures
    query = NamedQuery.model_validate(
        {
            "query": "q",
            "cube": cube,
            "measures": [measure if measure in measures else next(iter(measures))],
            "period": period,
            "compare": compare,
            "parameters": {
                "business_date": {"type": "date"},
                "days": {"type": "integer", "default": 5},
                "month": {"type": "month", "default": "2026-02"},
            },
        }
    )
    own = Catalogue(catalogue.dimensions, catalogue.cubes, {"q": query}, {})
    with marts.cursor() as connection:
        made = create_macros(own, connection, business_date=BUSINESS_DATE)
        if cube == "customers" and (period, compare) in OF_DAYS:
            assert made == []
            return
        assert made == ["q_q"]
        for day in DAYS:
            for days, month in ((1, "2026-03"), (13, "2024-02")):
                given = {"business_date": day.isoformat(), "days": days, "month": month}
                call = ", ".join(f"{key} := {value!r}" for key, value in given.items())
                assert _rows(connection, f"q_q({call})") == _asked(own, connection, "q", given)


def test_what_cannot_be_an_expression_makes_no_macro_and_an_old_one_goes(
    catalogue: Catalogue, marts: duckdb.DuckDBPyConnection
) -> None:
    warehouse = read_warehouse(marts)
    base = {"query": "q", "cube": "sales", "measures": ["revenue"]}
    for rest in (
        {"period": "last 5 working days"},
        {"period": "last 3 months", "compare": "year"},
        {"period": "last 7 days", "compare": "previous", "by": ["sold.day"]},
    ):
        query = NamedQuery.model_validate({**base, **rest})
        made = macro_sql(catalogue, query, warehouse=warehouse, business_date=BUSINESS_DATE)
        assert made is None, rest
    with marts.cursor() as connection:
        one = Catalogue(
            catalogue.dimensions, catalogue.cubes, {"q": NamedQuery.model_validate(base)}, {}
        )
        none = Catalogue(catalogue.dimensions, catalogue.cubes, {}, {})
        assert create_macros(one, connection, business_date=BUSINESS_DATE) == ["q_q"]
        assert create_macros(none, connection, business_date=BUSINESS_DATE) == []
        with pytest.raises(duckdb.CatalogException):
            connection.execute("select * from q_q()")
