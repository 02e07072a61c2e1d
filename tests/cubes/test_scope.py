"""Jurisdiction: what a restricted account sees."""

from __future__ import annotations

import duckdb
import pytest

from cubes.catalogue import Catalogue, load_catalogue
from cubes.errors import QueryError
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from tests.cubes.conftest import BUSINESS_DATE, Ask
from tests.cubes.marts import make_marts


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


def refusal(ask: Ask, cut: dict[str, str], cube: str = "cases") -> str:
    """What an account of Chengdu is told about a member."""
    with pytest.raises(QueryError) as caught:
        ask(cube, "cases" if cube == "cases" else "orders", cuts=cut, scope=Scope.units(["5101"]))
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "foreign", "nobody"),
    [
        ("org", "#510201", "#999999"),
        ("org.l2", "绵阳", "自贡"),
        ("org.l3", "绵阳/城区", "自贡/城区"),
        ("org.unit", "绵阳", "自贡"),
    ],
)
def test_a_hidden_member_and_one_that_does_not_exist_get_the_same_answer(
    ask: Ask, name: str, foreign: str, nobody: str
) -> None:
    hidden = refusal(ask, {name: foreign})
    assert "has no member" in hidden and "that this account may see" in hidden
    assert (
        hidden.split("(")[0].replace(foreign, nobody)
        == (refusal(ask, {name: nobody}).split("(")[0])
    )
    suggested = hidden.partition("did you mean")[2]
    assert "绵阳" not in suggested and "5102" not in suggested


def test_suggestions_name_own_units_only(ask: Ask) -> None:
    assert "did you mean '四川/成都/城区'?" in refusal(ask, {"org.l3": "四川/绵阳/城区"})
    assert "成都" in refusal(ask, {"org.l2": "成者"})
    with pytest.raises(QueryError, match="did you mean '绵阳'"):
        ask("cases", "cases", cuts={"org.l2": "绵羊"})


def test_own_members_and_the_units_above_them_stay_known(ask: Ask) -> None:
    chengdu = Scope.units(["5101"])
    for name, member in (("org.l1", "四川"), ("org", "#510101"), ("product", "broadband/光纤")):
        ask("sales", "orders", cuts={name: member}, scope=chengdu)
    # No product of the kind was sold here, but products belong to no unit.
    assert ask(
        "sales", "orders", cuts={"product": "broadband"}, scope=Scope.units(["510102"])
    ).rows == [{"orders": 0}]


def test_a_customer_of_another_unit_is_not_known_unless_a_visible_row_names_it(
    catalogue: Catalogue,
) -> None:
    def orders(connection: duckdb.DuckDBPyConnection, customer: str) -> int:
        query = CubeQuery("sales", ("orders",), cuts=(("customer", (customer,)),))
        scope = Scope.units(["510201"])
        result = run_query(catalogue, connection, query, scope=scope, business_date=BUSINESS_DATE)
        return int(result.rows[0]["orders"])

    with duckdb.connect() as connection:
        make_marts(connection)
        # k1 lives in Chengdu and bought in Mianyang, k2 did not.
        assert orders(connection, "k1") == 3
        with pytest.raises(QueryError) as caught:
            orders(connection, "k2")
        assert "has no member 'k2' that this account may see" in str(caught.value)
        assert "k3" not in str(caught.value) and "k4" not in str(caught.value)
        connection.execute("update marts.dim_customer set org_unit_id = '510201'")
        assert orders(connection, "k2") == 0


def test_a_value_in_the_fact_is_known_only_from_visible_rows(ask: Ask) -> None:
    # Only another unit has a cancellation.
    told = refusal(ask, {"order_type": "cancelation"}, "sales")
    assert "has no member 'cancelation'" in told and "cancellation" not in told
    with pytest.raises(QueryError, match="did you mean 'cancellation'"):
        ask("sales", "orders", cuts={"order_type": "cancelation"})
    assert ask("cases", "cases", cuts={"status": "closed"}, scope=Scope.units(["99"])).rows == [
        {"cases": 0}
    ]


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
