"""Identities of cubes over random small warehouses, against plain SQL and plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubes.scope import Scope
from tests.cubes.random_cubes import (
    MEASURES,
    NAMES,
    PLACES,
    START,
    World,
    bag,
    by_names,
    days,
    modest,
    open_world,
    sales,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("random_cubes")) as opened:
        yield opened


@modest
@given(sales, by_names, st.booleans(), st.booleans())
def test_a_query_equals_plain_sql_over_the_facts(
    world: World, rows: list[Any], by: list[str], cut_kind: bool, cut_time: bool
) -> None:
    world.fill("sale", [*rows, (1, "x", START, Decimal(1), "p")])
    cuts: dict[str, Any] = {}
    where = ["true"]
    if cut_kind:
        cuts["kind"] = ["x", None]
        where.append("(kind = 'x' or kind is null)")
    if cut_time:
        cuts["on"] = "2026-02"
        where.append("sold_on between '2026-02-01' and '2026-02-28'")
    columns = [f'{NAMES[name]} as "{name}"' for name in by]
    columns += [f"{sql} as {name}" for name, sql in MEASURES.items()]
    group = f" group by {', '.join(NAMES[name] for name in by)}" if by else ""
    expected = world.plain(
        f"select {', '.join(columns)} from sale left join place using (place_id) "
        f"where {' and '.join(where)}{group}"
    )
    result = world.ask("sale", list(MEASURES), by, cuts=cuts)
    assert bag(result.rows) == bag(expected)
    assert [(c.name) for c in result.columns] == [*by, *MEASURES]


@modest
@given(sales, by_names.filter(bool))
def test_totals_equal_the_query_without_what_is_rolled_up(
    world: World, rows: list[Any], by: list[str]
) -> None:
    world.fill("sale", rows)
    result = world.ask("sale", list(MEASURES), by, totals="all")
    assert bag(result.rows) == bag(world.ask("sale", list(MEASURES), by).rows)
    kinds = {tuple(name for name in by if name in row) for row in result.totals} | {()}
    for kept in kinds:
        found = [row for row in result.totals if tuple(n for n in by if n in row) == kept]
        assert bag(found) == bag(world.ask("sale", list(MEASURES), list(kept)).rows)


@modest
@given(sales, by_names, st.booleans(), st.sampled_from(["none", "grand", "all"]))
def test_a_shrunk_share_is_drawn_to_the_share_of_the_whole_answer(
    world: World, rows: list[Any], by: list[str], cut_kind: bool, totals: str
) -> None:
    rows = [*rows, (1, "x", START, Decimal(1), "p")]
    world.fill("sale", rows)
    cuts = {"kind": ["x", None]} if cut_kind else {}
    result = world.ask("sale", "drawn,big,rows", by, cuts=cuts, totals=totals)
    counted = [row for row in rows if not cut_kind or row[1] in ("x", None)]
    big = sum(row[3] is not None and row[3] > 5 for row in counted)
    for row in [*result.rows, *result.totals]:
        expected = (row["big"] + 4 * big / len(counted)) / (row["rows"] + 4)
        assert row["drawn"] == pytest.approx(expected)


@modest
@given(sales)
def test_children_add_up_to_the_parent_and_rotating_loses_nothing(
    world: World, rows: list[Any]
) -> None:
    world.fill("sale", rows)
    parents = world.ask("sale", "rows,amount", "place.region").rows
    children = world.ask("sale", "rows,amount", "place.region,place.city,on.month").rows
    turned = world.ask("sale", "rows,amount", "on.month,place.city,place.region").rows
    assert bag(children) == bag(turned)
    for parent in parents:
        below = [row for row in children if row["place.region"] == parent["place.region"]]
        assert sum(row["rows"] for row in below) == parent["rows"]
        sums = [row["amount"] for row in below if row["amount"] is not None]
        assert (sum(sums, Decimal(0)) if sums else None) == parent["amount"]


@modest
@given(sales)
def test_slicing_and_drilling_commute(world: World, rows: list[Any]) -> None:
    world.fill("sale", rows)
    drilled = world.ask("sale", list(MEASURES), "place.region,place.city").rows
    for region in ("N", "S", None):
        sliced = world.ask("sale", list(MEASURES), "place.city", cuts={"place.region": region})
        expected = [
            {name: value for name, value in row.items() if name != "place.region"}
            for row in drilled
            if row["place.region"] == region
        ]
        assert bag(sliced.rows) == bag(expected)


@modest
@given(sales, st.sets(st.sampled_from(["N", "S", "1", "4", "zz"])))
def test_a_restricted_total_is_the_total_of_the_visible_rows(
    world: World, rows: list[Any], units: set[str]
) -> None:
    world.fill("sale", rows)
    visible = {place for place, region, _ in PLACES if region in units or str(place) in units}
    seen = [row for row in rows if row[0] in visible]
    world.fill("sale", rows)
    result = world.ask("sale", "rows,buyers", "place", Scope.units(units), totals="grand")
    assert {row["place"] for row in result.rows} == {row[0] for row in seen}
    assert sum(row["rows"] for row in result.rows) == len(seen)
    assert result.totals == [
        {"rows": len(seen), "buyers": len({row[4] for row in seen if row[4] is not None})}
    ]


stocks = st.dictionaries(
    st.tuples(st.sampled_from([1, 2, 3]), days), st.integers(0, 9), max_size=30
)
edges = st.tuples(days, days).map(sorted)


@modest
@given(stocks, edges, st.sampled_from([None, "N", "S"]))
def test_a_balance_is_that_of_the_last_day_of_the_cut_within_the_fact(
    world: World, held: dict[Any, int], ends: list[date], region: str | None
) -> None:
    world.fill("stock", [(place, day, units) for (place, day), units in held.items()])
    start, end = ends
    cuts = {} if region is None else {"place.region": region}
    result = world.ask(
        "stock",
        "closing,opening,holders,mean",
        "on.month",
        period=f"{start}..{end}",
        cuts=cuts,
        totals="grand",
    )
    regions = {place: name for place, name, _ in PLACES}
    fact_days = [day for _, day in held]
    mine = {
        key: units
        for key, units in held.items()
        if start <= key[1] <= end and (region is None or regions[key[0]] == region)
    }

    def expected(first: date, last: date) -> dict[str, Any]:
        first, last = max(first, min(fact_days)), min(last, max(fact_days))
        within = [units for (_, day), units in mine.items() if first <= day <= last]
        return {
            "closing": sum(units for (_, day), units in mine.items() if day == last),
            "opening": sum(units for (_, day), units in mine.items() if day == first),
            "holders": sum(1 for (_, day), units in mine.items() if day == last and units > 0),
            "mean": pytest.approx(sum(within) / ((last - first).days + 1)),
        }

    assert {row["on.month"] for row in result.rows} == {day.replace(day=1) for _, day in mine}
    for row in result.rows:
        month = row.pop("on.month")
        following = (month + timedelta(days=32)).replace(day=1)
        assert row == expected(max(start, month), min(end, following - timedelta(days=1)))
    if mine:
        assert result.totals == [expected(start, end)]


heads = st.dictionaries(
    st.tuples(st.sampled_from([1, 2, 3, 4]), st.sampled_from([1, 2, 3])),
    st.integers(0, 50),
    max_size=12,
)


@modest
@given(
    sales,
    heads,
    st.sampled_from([[], ["place.region"], ["on.month"], ["place.city", "kind"], ["on", "place"]]),
    st.sampled_from(["2026-02", "2026-01..2026-03", "2026-02-03..2026-02-20"]),
)
def test_a_ratio_with_another_cube_is_the_quotient_of_the_two_queries(
    world: World, rows: list[Any], counted: dict[Any, int], by: list[str], period: str
) -> None:
    world.fill("sale", rows)
    world.fill("head", [(p, date(2026, m, 1), n) for (p, m), n in counted.items()])
    shared = {"place.region": "place.region", "place.city": "place.city", "place": "place"}
    shared |= {"on.month": "month.month", "on": "month.month"}
    ratio = world.ask("sale", "amount,per_head", by, period=period, totals="grand")
    other_by = [shared[name] for name in by if name in shared]
    others = world.ask("head", "heads", other_by, period=period, totals="grand")

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(
            row[name].replace(day=1) if name == "on" else row[name] for name in by if name in shared
        )

    below = {tuple(row[name] for name in other_by): row["heads"] for row in others.rows}
    for row in ratio.rows:
        size = below.get(key(row))
        if row["amount"] is None or not size:
            assert row["per_head"] is None
        else:
            assert row["per_head"] == pytest.approx(100 * float(row["amount"]) / size)
    for row in ratio.totals:
        size = (others.totals or others.rows)[0]["heads"]
        if row["amount"] is None or not size:
            assert row["per_head"] is None
        else:
            assert row["per_head"] == pytest.approx(100 * float(row["amount"]) / size)


@modest
@given(sales, st.sampled_from(["kind", "place.region", "on"]))
def test_a_comparison_is_the_two_queries_side_by_side(
    world: World, rows: list[Any], by: str
) -> None:
    world.fill("sale", rows)
    result = world.ask(
        "sale", "rows,mean", by, period="2026-02-10..2026-02-16", compare="previous", totals="grand"
    )
    now = world.ask("sale", "rows,mean", by, period="2026-02-10..2026-02-16").rows
    before = world.ask("sale", "rows,mean", by, period="2026-02-03..2026-02-09").rows
    if by == "on":
        for row in before:
            row["on"] += timedelta(days=7)
    current = {row[by]: row for row in now}
    previous = {row[by]: row for row in before}
    assert {row[by] for row in result.rows} == set(current) | set(previous)
    for row in result.rows:
        one, two = current.get(row[by], {}), previous.get(row[by], {})
        assert (row["rows"], row["rows__previous"]) == (one.get("rows", 0), two.get("rows", 0))
        assert row["rows__change"] == one.get("rows", 0) - two.get("rows", 0)
        assert row["mean"] == one.get("mean") and row["mean__previous"] == two.get("mean")
    assert result.totals[0]["rows"] == sum(row["rows"] for row in now)
    assert result.totals[0]["rows__previous"] == sum(row["rows"] for row in before)


@modest
@given(sales, by_names, st.sampled_from(["rows", "-amount"]))
def test_the_order_is_total_so_that_the_same_query_gives_the_same_rows(
    world: World, rows: list[Any], by: list[str], order: str
) -> None:
    world.fill("sale", rows)
    first = world.ask("sale", "rows,amount", by, order=order, totals="all")
    world.fill("sale", rows[::-1])
    second = world.ask("sale", "rows,amount", by, order=order, totals="all")
    assert first.rows == second.rows
    assert first.totals == second.totals


@modest
@given(sales)
def test_filling_without_a_period_keeps_rows_whose_time_is_unknown(
    world: World, rows: list[Any]
) -> None:
    world.fill("sale", [*rows, (1, "x", None, Decimal(1), "p"), (1, "x", START, Decimal(1), "p")])
    plain = world.ask("sale", "rows", "on.day,kind", totals="grand")
    full = world.ask("sale", "rows", "on.day,kind", fill="zero", totals="grand")
    assert bag([row for row in full.rows if row["rows"]]) == bag(plain.rows)
    assert full.totals == plain.totals


@modest
@given(sales)
def test_filling_adds_only_zero_rows(world: World, rows: list[Any]) -> None:
    world.fill("sale", rows)
    period = "2026-02-01..2026-02-14"
    plain = world.ask("sale", "rows,share", "on.day,kind", period=period).rows
    full = world.ask("sale", "rows,share", "on.day,kind", period=period, fill="zero").rows
    assert len(full) == 14 * len({row["kind"] for row in plain})
    assert bag([row for row in full if row["rows"]]) == bag(plain)
    assert all(row["share"] is None for row in full if not row["rows"])


@modest
@given(
    sales,
    st.lists(
        st.sampled_from(["on.quarter", "on.month", "on.week", "kind"]), unique=True, max_size=3
    ),
    st.sampled_from(["2026-01-26..2026-02-14", None]),
)
def test_filled_subtotals_hold_every_date_and_are_the_sums_of_their_rows(
    world: World, rows: list[Any], others: list[str], period: str | None
) -> None:
    world.fill("sale", [*rows, (1, "x", None, Decimal(1), "p"), (1, "y", START, Decimal(1), "p")])
    asked: dict[str, Any] = {"period": period} if period else {}
    full = world.ask("sale", "rows", [*others, "on.day"], fill="zero", totals="all", **asked)
    sums: Counter[tuple[Any, ...]] = Counter()
    kinds = {frozenset(row) - {"rows"} for row in full.totals}
    for row in full.rows:
        for names in kinds:
            sums[tuple((name, row[name]) for name in row if name in names)] += row["rows"]
    told = [
        (tuple((name, row[name]) for name in row if name != "rows"), row["rows"])
        for row in full.totals
    ]
    assert len(dict(told)) == len(told)
    if full.rows:
        assert dict(told) == sums
