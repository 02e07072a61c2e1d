"""Totals of restricted accounts: of their rows, of all rows, or only those without a hidden row."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubes.aggregate_table import build_aggregates
from cubes.catalogue import load_catalogue
from cubes.errors import DeclarationError, QueryError
from cubes.query import CubeQuery, CubeResult, run_query
from cubes.scope import Scope
from tests.cubes.random_cubes import START, World, bag, modest, open_world, sales


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("totals")) as opened:
        yield opened


MEASURES = ["rows", "amount", "share", "buyers", "drawn"]
units = st.sets(st.sampled_from(["N", "S", "1", "4", "zz"]))
splits = st.sampled_from(
    [["place.region"], ["place.region", "place.city"], ["kind", "place.city"], ["place", "kind"]]
)


def keys(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple((name, row[name]) for name in sorted(row) if name not in MEASURES)


@modest
@given(sales, units, splits, st.sampled_from(["grand", "all"]), st.booleans())
def test_rows_are_restricted_and_totals_are_what_the_policy_says(
    world: World, rows: list[Any], scope: set[str], by: list[str], totals: str, use: bool
) -> None:
    world.fill("sale", rows)
    world.aggregate()
    seen = Scope.units(scope)
    asked = [name for name in MEASURES if name != "buyers"] if use else MEASURES
    rest: dict[str, Any] = {"totals": totals, "aggregates": use}
    partial = world.ask("sale", asked, by, seen, **rest)
    whole = {keys(row): row for row in world.ask("sale", asked, by, **rest).totals}
    full = world.ask("sale_full", asked, by, seen, **rest)
    hidden = world.ask("sale_hidden", asked, by, seen, **rest)

    # A share drawn to that of the whole answer differs, as the whole does, but for rows it is
    # the visible whole in each of the three.
    assert bag(full.rows) == bag(partial.rows) == bag(hidden.rows)
    assert {keys(row) for row in full.totals} == {keys(row) for row in partial.totals}
    for row in full.totals:
        assert bag([row]) == bag([whole[keys(row)]])
    complete = [row for row in partial.totals if row["rows"] == whole[keys(row)]["rows"]]
    assert [bag([row]) for row in hidden.totals] == [bag([row]) for row in complete]


def test_full_and_hidden_totals_by_hand(world: World) -> None:
    world.fill(
        "sale",
        [
            (1, "x", START, Decimal("7.50"), "p"),
            (2, "x", START, Decimal("2.50"), "q"),
            (3, "x", START, Decimal("1.00"), "p"),
            (1, "y", START, Decimal("4.00"), "p"),
        ],
    )
    by = ["kind", "place.region", "place.city"]
    asked = {"scope": Scope.units(["1"]), "totals": "all"}

    def totals(cube: str) -> dict[tuple[Any, ...], Any]:
        found = world.ask(cube, ["rows", "share"], by, **asked)
        assert {row["place.city"] for row in found.rows} == {"a"}
        return {
            tuple(row.get(name, "all") for name in by): (row["rows"], row["share"])
            for row in found.totals
        }

    assert totals("sale") == {
        ("all", "all", "all"): (2, 0.5), ("x", "all", "all"): (1, 1.0),
        ("y", "all", "all"): (1, 0.0), ("all", "N", "all"): (2, 0.5),
        ("x", "N", "all"): (1, 1.0), ("y", "N", "all"): (1, 0.0), ("all", "N", "a"): (2, 0.5),
    }  # fmt: skip
    assert totals("sale_full") == {
        ("all", "all", "all"): (4, 0.25), ("x", "all", "all"): (3, 1 / 3),
        ("y", "all", "all"): (1, 0.0), ("all", "N", "all"): (3, 1 / 3),
        ("x", "N", "all"): (2, 0.5), ("y", "N", "all"): (1, 0.0), ("all", "N", "a"): (2, 0.5),
    }  # fmt: skip
    # Region N holds a row of place 2 as well, but none of kind y.
    assert totals("sale_hidden") == {
        ("y", "all", "all"): (1, 0.0), ("y", "N", "all"): (1, 0.0), ("all", "N", "a"): (2, 0.5),
    }  # fmt: skip


def test_policies_hold_for_both_sides_of_a_comparison_and_a_limit(world: World) -> None:
    world.fill(
        "sale",
        [(place, "x", START, Decimal(place), "p") for place in (1, 2, 3)]
        + [(place, "x", START.replace(day=29), Decimal(place), "p") for place in (1, 3)],
    )
    asked: dict[str, Any] = {
        "by": "place", "scope": Scope.units(["1"]), "totals": "grand",
        "period": "2026-01-29", "compare": "previous", "limit": 5,
    }  # fmt: skip
    assert world.ask("sale_full", "rows", **asked).totals == [
        {"rows": 2, "rows__previous": 3, "rows__change": -1, "rows__change_ratio": -1 / 3}
    ]
    assert world.ask("sale_hidden", "rows", **asked).totals == []


def test_a_total_that_one_period_hides_is_never_compared_with_nothing(world: World) -> None:
    earlier = START.replace(day=27)
    world.fill(
        "sale",
        [
            (1, "x", START, Decimal(1), "p"),
            (2, "x", earlier, Decimal(1), "p"),
            (3, "x", earlier, Decimal(1), "p"),
            (1, "y", START, Decimal(1), "p"),
            (1, "y", START, Decimal(1), "q"),
            (2, "z", START, Decimal(1), "p"),
        ],
    )
    asked: dict[str, Any] = {
        "by": ["kind", "place"], "scope": Scope.units(["1"]), "totals": "all",
        "period": START.isoformat(), "compare": "previous", "cuts": {"kind": ["x", "y"]},
    }  # fmt: skip

    def totals(cube: str) -> list[tuple[Any, ...]]:
        return [
            (row.get("kind"), row.get("place"), row["rows"], row["rows__previous"])
            for row in world.ask(cube, "rows", **asked).totals
        ]

    # Of kind x there were two rows elsewhere the day before, of kind y none at all.
    assert totals("sale_full") == [
        ("x", None, 1, 2),
        ("y", None, 2, 0),
        (None, 1, 3, 0),
        (None, None, 3, 2),
    ]
    assert totals("sale_hidden") == [("y", None, 2, 0), (None, 1, 3, 0)]


def test_full_totals_may_not_tell_those_of_a_stricter_cube(tmp_path: Path) -> None:
    (tmp_path / "definitions").mkdir()
    visit = (
        "cube: visit\nfact: visit\nscoped_totals: full\nmeasures:\n"
        "  visits: {agg: count}\n  per_bill: {ratio: [visits, bill.bills]}\n"
    )
    bill = "cube: bill\nfact: bill\nmeasures:\n  bills: {agg: count}\n"
    (tmp_path / "definitions" / "visit.yml").write_text(visit)
    (tmp_path / "definitions" / "bill.yml").write_text(bill + "scoped_totals: hidden\n")
    with pytest.raises(DeclarationError, match=r"visit.yml:6: .*'bill' keeps its totals hidden"):
        load_catalogue([tmp_path])
    (tmp_path / "definitions" / "bill.yml").write_text(bill)
    assert load_catalogue([tmp_path]).cubes["visit"].measures.keys() == {"visits", "per_bill"}


CASE = """
cube: case
fact: cases
joins:
  org: org_id
  holder: {dimension: org, on: holder_id, scope: second}
  asked_by: {dimension: org, on: asker_id, scope: none}
measures: {cases: {agg: count}}
aggregates:
  short: {by: [org]}
  both: {by: [org, holder]}
"""
ORG = """
dimension: org
table: org
key: org_id
scope: true
hierarchies: {org: {levels: [branch], closure: org_closure}}
"""


def test_a_row_is_seen_by_its_second_unit_too(tmp_path: Path) -> None:
    for name, text in {"definitions/case": CASE, "dimensions/org": ORG}.items():
        path = tmp_path / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    catalogue = load_catalogue([tmp_path])
    with duckdb.connect() as connection:
        run = connection.execute
        run("create table org as select * from (values ('a', 'A'), ('b', 'B')) t(org_id, branch)")
        run("create table org_closure as select org_id as ancestor_id, org_id as descendant_id "
            "from org")  # fmt: skip
        run("create table cases (no int, org_id varchar, holder_id varchar, asker_id varchar)")
        run("insert into cases values (1, 'a', 'a', 'b'), (2, 'b', 'a', 'b'), (3, 'b', 'b', 'a'), "
            "(4, 'b', null, 'a'), (5, null, 'a', null), (6, null, null, 'a')")  # fmt: skip
        build_aggregates(catalogue, connection)

        def ask(by: str, scope: Scope, **rest: Any) -> CubeResult:
            query = CubeQuery.from_mapping({"cube": "case", "measures": "cases", "by": by, **rest})
            return run_query(catalogue, connection, query, scope=scope, business_date=None)

        mine = ask("org", Scope.units(["a"]), totals="grand")
        assert mine.aggregate == "both"
        assert mine.rows == [
            {"org": "a", "cases": 1}, {"org": "b", "cases": 1}, {"org": None, "cases": 1},
        ]  # fmt: skip
        assert mine.totals == [{"cases": 3}]
        assert ask("org", Scope.all()).aggregate == "short"
        # A member is known by the rows one sees: of b, case 2; nobody of 'zz'.
        assert ask("holder", Scope.units(["a"]), cuts={"org": "#b"}).rows == [
            {"holder": "a", "cases": 1}
        ]
        with pytest.raises(QueryError, match="has no member '#zz' that this account may see"):
            ask("holder", Scope.units(["a"]), cuts={"org": "#zz"})
