"""Explanations: what moved a figure, taken apart so that the parts add up to the change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubes.catalogue import Catalogue
from cubes.explanation import DimensionContribution, QueryExplanation, explain_query
from cubes.query import CubeQuery
from cubes.scope import Scope
from tests.cubes.conftest import Ask
from tests.cubes.random_cubes import START, World, modest, open_world, places


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("explained")) as opened:
        yield opened


NOW, BEFORE = date(2026, 2, 12), date(2026, 2, 5)
rows_of_two_weeks = st.lists(
    st.tuples(
        places,
        st.sampled_from(["x", "y", None]),
        st.sampled_from([NOW, BEFORE]),
        st.none() | st.integers(-2000, 2000).map(lambda cents: Decimal(cents) / 100),
        st.sampled_from(["p", "q"]),
    ),
    max_size=25,
)


def explain(world: World, measures: str, **rest: Any) -> QueryExplanation:
    query = CubeQuery.from_mapping(
        {"cube": "sale", "measures": measures, "period": "2026-02-09..2026-02-15",
         "compare": "previous", **rest}
    )  # fmt: skip
    return explain_query(
        world.catalogue,
        world.connection,
        query,
        scope=Scope.all(),
        business_date=None,
        snapshot="20260330",
    )


@modest
@given(rows_of_two_weeks)
def test_the_contributions_of_all_members_add_up_to_the_change(
    world: World, rows: list[Any]
) -> None:
    world.fill("sale", rows)
    for measure in explain(world, "rows,amount,share").measures:
        if not measure.change:
            assert measure.dimensions == () and measure.reason is not None
            continue
        # Where one of both periods has no row, a share has no change to be taken apart.
        for found in measure.dimensions:
            parts = sum(one.contribution for one in found.members) + found.others_contribution
            assert parts == pytest.approx(float(measure.change))
            assert all(one.contribution for one in found.members)


def dimension(explanation: QueryExplanation, name: str, index: int = 0) -> DimensionContribution:
    return next(d for d in explanation.measures[index].dimensions if d.name == name)


def test_a_count_and_a_share_by_hand(world: World) -> None:
    # Region N: before 4 rows, 2 of them big; now 6, 1 of them big. S: before 2, 1 big; now 2, 1.
    def rows(place: int, day: date, big: int, small: int) -> list[Any]:
        return [(place, "x", day, Decimal(9), "p")] * big + [
            (place, "x", day, Decimal(1), "p")
        ] * small

    world.fill(
        "sale",
        [*rows(1, BEFORE, 2, 2), *rows(1, NOW, 1, 5), *rows(3, BEFORE, 1, 1), *rows(3, NOW, 1, 1)],
    )
    found = explain(world, "rows,share,buyers")
    (north,) = dimension(found, "place.region").members
    assert (north.member, north.contribution, north.share) == ("N", 2.0, 1.0)
    # The share fell from 3/6 to 2/8. N: (1 - 6/2)/8 - (2 - 4/2)/6 = -1/4; S went with the whole.
    (north,) = dimension(found, "place.region", 1).members
    assert (north.contribution, north.current, north.previous) == (-0.25, 1 / 6, 0.5)
    assert found.measures[1].change == -0.25
    # Two regions differ, the one kind cannot: what explains nothing comes last or not at all.
    assert [d.name for d in found.measures[0].dimensions] == ["place.region"]
    # Rows grew by a third; N held 4 of 6: uneven by (|2 - 4/3| + |0 - 2/3|) / (2 * 2).
    assert dimension(found, "place.region").unevenness == pytest.approx(1 / 3)
    distinct = found.measures[2]
    assert distinct.dimensions == () and distinct.reason is not None
    assert "cannot be taken apart" in distinct.reason.en


def test_members_beyond_the_first_five_are_told_together(world: World) -> None:
    world.connection.execute("begin")
    world.connection.execute("insert into place select 10 + i, 'R' || i, 'c' from range(8) t(i)")
    world.fill(
        "sale", [(10 + i, "x", NOW, Decimal(1), "p") for i in range(8) for _ in range(8 - i)]
    )
    found = dimension(explain(world, "rows"), "place.region")
    world.connection.execute("rollback")
    assert [one.member for one in found.members] == ["R0", "R1", "R2", "R3", "R4"]
    assert (found.others, found.others_contribution) == (3, 6.0)


def test_what_is_explained_of_a_query_without_comparison(world: World) -> None:
    world.fill("sale", [(1, "x", START, Decimal(1), "p")])
    found = explain(world, "rows", compare=None, period="2026-01", by="kind")
    assert found.measures[0].current == 1
    assert found.measures[0].reason is not None
    told = found.to_mapping()
    assert (told["read"], told["snapshot"], told["compared"]) == ("sale", "20260330", None)
    assert told["parameters"] == {"p1": "2026-01-01", "p2": "2026-01-31"}
    assert told["measures"][0]["definition"] == "count(*)"


def test_an_explanation_names_the_aggregate_that_was_read(world: World) -> None:
    world.fill("sale", [(1, "x", NOW, Decimal(1), "p")])
    world.aggregate()
    told = explain(world, "rows").to_mapping()
    assert (told["aggregate"], told["read"]) == ("by_day", "aggregate.sale__by_day")
    assert told["compared"] == {"start": "2026-02-02", "end": "2026-02-08"}


def test_an_account_is_told_of_its_own_members_only(world: World) -> None:
    world.fill("sale", [(place, "x", NOW, Decimal(1), "p") for place in (1, 2, 3, 4)])
    query = CubeQuery.from_mapping(
        {"cube": "sale", "measures": "rows", "period": "2026-02-09..2026-02-15",
         "compare": "previous"}
    )  # fmt: skip
    found = explain_query(
        world.catalogue, world.connection, query, scope=Scope.units(["N"]), business_date=None
    )
    assert found.measures[0].current == 2
    members = [one.member for d in found.measures[0].dimensions for one in d.members]
    assert members == ["a", "b"]


def test_labels_are_in_the_asked_language(ask: Ask, catalogue: Any, marts: Any) -> None:
    query = CubeQuery.from_mapping(
        {"cube": "cases", "measures": "cases", "period": "2026-03", "compare": "year"}
    )
    found = explain_query(
        catalogue, marts, query, scope=Scope.all(), business_date=date(2026, 3, 30), language="en"
    )
    labels = {one.text for d in found.measures[0].dimensions for one in d.members}
    assert "Complaint" in labels and found.measures[0].label == "Cases"


def test_what_follows_from_the_age_of_a_case_explains_nothing(
    catalogue: Catalogue, marts: duckdb.DuckDBPyConnection
) -> None:
    found = explain_query(
        catalogue,
        marts,
        CubeQuery("cases", ("cases",), period="2026-03", compare="previous"),
        scope=Scope.all(),
        business_date=date(2026, 3, 30),
    )
    told = {one.name for one in found.measures[0].dimensions}
    assert "org.province" in told and not told & {"status", "is_open", "is_overdue"}
