"""Named queries and their parameters."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from cubes.catalogue import Catalogue
from cubes.errors import QueryError
from cubes.named_query import NamedQuery, run_named_query
from cubes.query import CubeResult
from cubes.scope import Scope
from tests.cubes.conftest import BUSINESS_DATE, Ask


@pytest.fixture
def run(catalogue: Catalogue, marts: duckdb.DuckDBPyConnection) -> Any:
    def call(name: str, parameters: Any = None, **rest: Any) -> CubeResult:
        return run_named_query(
            catalogue,
            marts,
            name,
            parameters or {},
            scope=rest.pop("scope", Scope.all()),
            business_date=BUSINESS_DATE,
            **rest,
        )

    return call


def test_a_named_query_gives_the_figure_of_the_cube(run: Any, ask: Ask) -> None:
    (row,) = run("daily_sales").rows
    (same,) = ask("sales", "revenue", period="2026-03-30").rows
    assert row["revenue"] == same["revenue"] == Decimal("130.15")
    assert row["revenue__previous"] == Decimal("80.00")


def test_a_business_date_given_moves_relative_periods_too(run: Any) -> None:
    (row,) = run("monthly_arrears", {"business_date": "2026-03-09"}).rows
    assert row["balance"] == Decimal(160)
    (row,) = run("monthly_arrears", {"business_date": date(2026, 2, 28)}).rows
    assert (row["newly_due"], row["balance"]) == (Decimal(100), Decimal(100))


def test_by_and_keys_split_a_named_query_below_a_unit(run: Any) -> None:
    result = run("daily_sales", by=("org.l3",), keys=True, scope=Scope.units(["5101"]))
    assert [row["org.l3__id"] for row in result.rows] == ["510101"]


def test_a_day_by_day_query_has_every_day(run: Any) -> None:
    rows = run("complaints_by_day").rows
    assert len(rows) == 29
    assert rows[-1] == {"created.day": date(2026, 3, 30), "complaints": 3}


def test_unknown_missing_and_wrong_parameters_are_refused(run: Any) -> None:
    with pytest.raises(QueryError, match="did you mean 'daily_sales'"):
        run("daily_sale")
    with pytest.raises(QueryError, match="did you mean 'business_date'"):
        run("daily_sales", {"bussiness_date": "2026-03-30"})
    with pytest.raises(QueryError, match="must be a date"):
        run("daily_sales", {"business_date": "30.3.2026"})
    asked = NamedQuery.model_validate(
        {
            "query": "q",
            "cube": "cases",
            "measures": ["cases"],
            "parameters": {"kind": {}},
            "cuts": {"kind": ["{kind}"]},
        }
    )
    with pytest.raises(QueryError, match="needs parameter 'kind'"):
        asked.to_query({}, business_date=BUSINESS_DATE)
    query, _ = asked.to_query({"kind": "praise"}, business_date=BUSINESS_DATE)
    assert query.cuts == (("kind", ("praise",)),)
