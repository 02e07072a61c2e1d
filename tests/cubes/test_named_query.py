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
from cubes.parameter import Parameter
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


def test_every_type_of_parameter_reads_its_values_and_refuses_others() -> None:
    for kind, right, wrong in (
        ("date", ["2026-03-30", date(2026, 3, 30)], ["2026-02-30", "30.3.2026", "20260330", ""]),
        ("month", ["2026-03", "2026-03-30"], ["2026-13", "March"]),
        ("integer", [5, "-5", "0"], ["5.0", "1_0", "５", "9" * 19, "x", ""]),
        ("decimal", ["1.50", 2, Decimal("0.1")], ["1e5", "1,5", "NaN", "-", ""]),
        ("boolean", [True, "true", "false"], ["yes", "1", 0]),
        ("unit", ["SC06", "51-01.a"], ["a b", "a/b", "#a", "a..b", ""]),
        ("string", ["", "x' or 1=1", "四川/成都"], ["x" * 201]),
    ):
        parameter = Parameter.model_validate({"type": kind})
        for value in right:
            parameter.read(value)
        for value in wrong:
            with pytest.raises(ValueError, match=r"must be a|at most"):
                parameter.read(value)


def test_bounds_and_choices_of_parameters_hold() -> None:
    days = Parameter.model_validate({"type": "integer", "min": 1, "max": 400})
    assert days.read("400") == 400
    with pytest.raises(ValueError, match="at least 1"):
        days.read(0)
    with pytest.raises(ValueError, match="at most 400"):
        days.read(401)
    since = Parameter.model_validate({"type": "date", "min": "2026-01-01"})
    with pytest.raises(ValueError, match="at least 2026-01-01"):
        since.read("2025-12-31")
    kind = Parameter.model_validate({"values": ["praise", "complaint"]})
    with pytest.raises(ValueError, match="must be one of praise, complaint"):
        kind.read("report")
    with pytest.raises(ValueError, match="'min' and 'max' do not fit"):
        Parameter.model_validate({"type": "string", "min": 1})
    with pytest.raises(ValueError, match="the default"):
        Parameter.model_validate({"type": "integer", "default": 500, "max": 400})


def test_all_faults_of_parameters_are_told_at_once(run: Any) -> None:
    with pytest.raises(QueryError) as caught:
        run("arrears_by_day", {"business_date": "x", "days": "y", "nothing": 1})
    told = str(caught.value)
    assert "'business_date'" in told and "'days'" in told and "'nothing'" in told


def test_a_cut_of_an_optional_parameter_is_left_out_without_a_value(run: Any) -> None:
    whole, part = run("arrears_by_unit"), run("arrears_by_unit", {"unit": "5101"})
    assert (
        {row["org.l2__id"] for row in part.rows}
        == {"5101"}
        < {row["org.l2__id"] for row in whole.rows}
    )
    # What the scope hides does not exist, also for a parameter.
    with pytest.raises(QueryError, match="no member"):
        run("arrears_by_unit", {"unit": "5102"}, scope=Scope.units(["5101"]))


def test_the_signature_names_parameters_with_their_types(catalogue: Catalogue) -> None:
    found = catalogue.queries["arrears_by_unit"].signature()
    assert found == "arrears_by_unit(business_date date?, unit unit?)"
