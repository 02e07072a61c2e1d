"""Known answers of the shipped cubes over the small warehouse, computed by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from cubes.catalogue import Catalogue, load_catalogue
from cubes.errors import QueryError
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from tests.cubes.conftest import Ask
from tests.cubes.marts import make_marts


def test_refunds_are_negative_and_sums_stay_exact_decimals(ask: Ask) -> None:
    result = ask("sales", ["revenue", "orders"], period="2026-03-30")
    assert result.rows == [{"revenue": Decimal("130.15"), "orders": 2}]


def test_a_total_counts_distinct_orders_once_and_not_per_row(ask: Ask) -> None:
    result = ask("sales", "orders", "product.family", period="2026-03-30", totals="grand")
    assert result.rows == [
        {"product.family": "broadband", "orders": 2},
        {"product.family": "terminal", "orders": 1},
    ]
    assert result.totals == [{"orders": 2}]


def test_null_is_a_member_and_a_totals_row_omits_what_is_rolled_up(ask: Ask) -> None:
    result = ask("cases", "cases", ["kind", "org.l2"], totals="all", period="2026-03-30")
    assert {"kind": "complaint", "org.l2": None, "cases": 1} in result.rows
    assert {"org.l2": None, "cases": 1} in result.totals
    assert {"kind": "complaint", "cases": 2} in result.totals
    assert result.totals[-1] == {"cases": 3}
    assert len(result.totals) == 2 + 2 + 1


def test_subtotals_of_a_hierarchy_never_keep_a_finer_level_alone(ask: Ask) -> None:
    result = ask("cases", "cases", ["org.l1", "org.l3"], totals="all")
    assert {frozenset(row) for row in result.totals} == {
        frozenset({"org.l1", "cases"}),
        frozenset({"cases"}),
    }


def test_a_member_is_the_finest_level_of_its_hierarchy(ask: Ask) -> None:
    result = ask("cases", "cases", ["org", "org.l1", "channel"], totals="all")
    assert {frozenset(row) for row in result.totals} == {
        frozenset({"org", "org.l1", "cases"}),
        frozenset({"org.l1", "channel", "cases"}),
        frozenset({"org.l1", "cases"}),
        frozenset({"channel", "cases"}),
        frozenset({"cases"}),
    }


TWICE = """
cube: visit
fact: visit
time: {seen: seen_on, billed: seen_on}
dimensions:
  kind: {sql: kind}
  sort: {sql: "(KIND)"}
  day: {sql: seen_on}
measures:
  visits: {agg: sum, sql: visits}
  last: {agg: sum, sql: visits, over_time: last}
"""


@pytest.mark.parametrize(
    ("by", "rows", "totals"),
    [
        (["kind", "sort"], [3, 4], [3, 4, 3, 4, 7]),
        (["kind", "sort", "day"], [1, 2, 4], [3, 4, 1, 2, 4, 1, 2, 4, 3, 4, 3, 4, 1, 6, 7]),
        (["seen.month", "billed.month"], [1, 6], [1, 6, 1, 6, 7]),
        (["seen.day", "day"], [1, 6], [1, 6, 1, 6, 7]),
    ],
)
def test_two_names_of_one_column_have_their_own_subtotals(
    tmp_path: Path, by: list[str], rows: list[int], totals: list[int]
) -> None:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "visit.yml").write_text(TWICE)
    catalogue = load_catalogue([tmp_path])
    with duckdb.connect() as connection:
        connection.execute(
            "create table visit as select * from (values ('a', date '2026-01-31', 1), "
            "('a', date '2026-02-28', 2), ('b', date '2026-02-28', 4)) as t (kind, seen_on, visits)"
        )
        query = CubeQuery("visit", ("visits", "last"), by=tuple(by), totals="all")
        answer = run_query(catalogue, connection, query, scope=Scope.all(), business_date=None)
    assert [row["visits"] for row in answer.rows] == rows
    assert sorted(row["visits"] for row in answer.totals) == sorted(totals)
    assert answer.totals[-1] == {"visits": 7, "last": 6}


def test_a_ratio_is_a_ratio_of_sums_at_every_level(ask: Ask) -> None:
    result = ask("cases", "overdue_rate", "org.l2", totals="grand")
    rates = {row["org.l2"]: row["overdue_rate"] for row in result.rows}
    assert rates == {"成都": 0.5, "绵阳": 1.0, None: None}
    assert result.totals == [{"overdue_rate": pytest.approx(2 / 3)}]


def test_percentiles_of_a_total_come_from_the_rows(ask: Ask) -> None:
    result = ask("cases", "reply_p50", "kind", totals="grand")
    assert {row["kind"]: row["reply_p50"] for row in result.rows} == {
        "complaint": 400.0,
        "praise": 200.0,
        "report": 300.0,
    }
    assert result.totals == [{"reply_p50": 300.0}]


def test_arrears_of_a_month_to_date(ask: Ask) -> None:
    measures = ["opening", "newly_due", "recovered", "balance", "debtors", "recovery_rate"]
    (row,) = ask("arrears", measures, period="month to date").rows
    assert row == {
        "opening": Decimal("100.00"),
        "newly_due": Decimal("60.00"),
        "recovered": Decimal("100.00"),
        "balance": Decimal("60.00"),
        "debtors": 1,
        "recovery_rate": 100 / 160,
    }


def test_a_balance_is_taken_on_the_last_day_of_the_cut_and_of_each_month(ask: Ask) -> None:
    result = ask("arrears", ["opening", "balance"], "balance.month", totals="grand")
    assert result.rows == [
        {"balance.month": date(2026, 2, 1), "opening": Decimal(0), "balance": Decimal(100)},
        {"balance.month": date(2026, 3, 1), "opening": Decimal(100), "balance": Decimal(60)},
    ]
    assert result.totals == [{"opening": Decimal(0), "balance": Decimal(60)}]
    (mid,) = ask("arrears", ["balance", "debtors"], period="2026-03-01..2026-03-09").rows
    assert mid == {"balance": Decimal(160), "debtors": 2}


def test_the_last_day_does_not_move_with_other_cuts(ask: Ask) -> None:
    """k2 has no row after 29 March, so on the last day it owes nothing."""
    (row,) = ask("arrears", ["balance", "debtors"], cuts={"org": "四川/绵阳"}).rows
    assert row == {"balance": Decimal(0), "debtors": 0}


def test_a_period_beyond_the_fact_ends_on_the_facts_last_day(ask: Ask) -> None:
    (row,) = ask("arrears", "balance", period="2026").rows
    assert row == {"balance": Decimal(60)}


def test_the_month_of_a_day_serves_a_monthly_cube(ask: Ask) -> None:
    result = ask("customers", "active", period="2026-03-30")
    assert result.rows == [{"active": 4}]
    both = ask("customers", ["active", "joined", "left"], "month.month", totals="grand")
    assert [row["active"] for row in both.rows] == [5, 4]
    assert both.totals == [{"active": 4, "joined": 0, "left": 1}]


def test_a_ratio_with_another_cube_divides_sides_over_shared_dimensions(ask: Ask) -> None:
    result = ask(
        "cases", "complaints_per_10k", ["org.l2", "kind"], period="2026-03-30", totals="all"
    )
    assert {"org.l2": "成都", "kind": "report", "complaints_per_10k": 10000 / 3} in [
        {**row, "complaints_per_10k": pytest.approx(row["complaints_per_10k"])}
        for row in result.rows
    ]
    assert result.totals[-1] == {"complaints_per_10k": 3 / 4 * 10000}


def test_another_cubes_figures_follow_days_by_their_month(ask: Ask) -> None:
    result = ask("cases", "complaints_per_10k", "created.day", period="2026-02-01..2026-03-30")
    per_day = {row["created.day"]: row["complaints_per_10k"] for row in result.rows}
    assert per_day[date(2026, 2, 10)] == 1 / 5 * 10000
    assert per_day[date(2026, 3, 30)] == 3 / 4 * 10000


def test_compare_gives_previous_change_and_ratio(ask: Ask) -> None:
    result = ask("sales", "revenue", period="2026-03-30", compare="same_weekday")
    assert result.rows == [
        {
            "revenue": Decimal("130.15"),
            "revenue__previous": Decimal("80.00"),
            "revenue__change": Decimal("50.15"),
            "revenue__change_ratio": pytest.approx(50.15 / 80),
        }
    ]


def test_members_of_either_period_appear_and_counts_become_zero(ask: Ask) -> None:
    result = ask("cases", "cases", "org.l2", period="2026-03-30", compare="same_weekday")
    rows = {row["org.l2"]: (row["cases"], row["cases__previous"]) for row in result.rows}
    assert rows == {"成都": (2, 0), "绵阳": (0, 1), None: (1, 0)}


def test_a_compared_month_aligns_its_days_and_drops_those_without_counterpart(ask: Ask) -> None:
    result = ask("sales", "revenue", "sold.day", period="2026-03", compare="previous")
    by_day = {row["sold.day"]: row for row in result.rows}
    assert by_day[date(2026, 3, 28)]["revenue__previous"] == Decimal("7.00")
    assert by_day[date(2026, 3, 30)]["revenue__previous"] == Decimal("0")


def test_the_last_days_of_a_longer_month_are_left_out_of_a_comparison(
    ask: Ask, catalogue: Catalogue
) -> None:
    """29 to 31 January have no day in February: adding a month must not pile them on the 28th."""
    with duckdb.connect() as connection:
        make_marts(connection)
        connection.execute(
            "update marts.fct_sale set sold_on = date '2026-01-31' where sale_id = '5'"
        )
        connection.execute(
            "update marts.fct_sale set sold_on = date '2026-01-28' where sale_id = '4'"
        )
        query = CubeQuery(
            "sales", ("revenue",), ("sold.day",), period="2026-02", compare="previous"
        )
        result = run_query(
            catalogue, connection, query, scope=Scope.all(), business_date=date(2026, 3, 30)
        )
    assert [(row["sold.day"], row["revenue__previous"]) for row in result.rows] == [
        (date(2026, 2, 28), Decimal("30.00"))
    ]


def test_a_year_back_compares_the_same_days(ask: Ask) -> None:
    (row,) = ask("sales", "revenue", period="2026-03-30", compare="year").rows
    assert row["revenue__previous"] == Decimal("3.00")


def test_compare_without_a_period_is_refused(ask: Ask) -> None:
    with pytest.raises(QueryError, match="needs a 'period'"):
        ask("sales", "revenue", compare="previous")


def test_gaps_in_time_are_filled_with_zero_for_sums_and_stay_empty_for_ratios(ask: Ask) -> None:
    result = ask(
        "sales",
        ["revenue", "average_revenue"],
        ["sold.day", "org.l2"],
        period="2026-03-28..2026-03-30",
        fill="zero",
        totals="grand",
    )
    assert len(result.rows) == 3 * 2
    first = result.rows[0]
    assert (first["sold.day"], first["org.l2"]) == (date(2026, 3, 28), "成都")
    assert (first["revenue"], first["average_revenue"]) == (Decimal("0.00"), None)
    assert result.totals[0]["revenue"] == Decimal("160.15")


def test_working_days_come_from_the_calendar(ask: Ask) -> None:
    """25 March is a holiday in this calendar: the last four are 24, 26, 27 and 30 March."""
    result = ask("sales", "revenue", "sold.day", period="last 4 working days", fill="zero")
    days = [row["sold.day"].day for row in result.rows]
    assert days == [24, 26, 27, 30]


def test_a_path_a_code_and_a_level_pick_the_same_members(ask: Ask) -> None:
    for cuts in (
        {"org": "四川/成都"},
        {"org": "Sichuan/Chengdu"},
        {"org": "#5101"},
        {"org.l2": "成都"},
        {"org.prefecture": "四川/成都"},
        {"org.l2": "#5101"},
        {"org.l3": ["成都/城区", "双流"]},
    ):
        assert ask("cases", "cases", cuts=cuts).rows == [{"cases": 3}], cuts


def test_a_bare_unit_code_means_it_and_everything_below(ask: Ask) -> None:
    assert ask("cases", "cases", cuts={"org": "#51"}).rows == [{"cases": 5}]
    # An id without its sign means the same: the unit and all below it.
    assert ask("cases", "cases", cuts={"org": "51"}).rows == [{"cases": 5}]
    assert ask("cases", "cases", cuts={"org.unit": "#5102"}).rows == [{"cases": 1}]


def test_an_escaped_slash_belongs_to_the_name(ask: Ask) -> None:
    assert ask("cases", "cases", cuts={"category.l1": r"Street\/Sidewalk"}).rows == [{"cases": 1}]


def test_codes_and_labels_of_either_language_pick_a_member(ask: Ask) -> None:
    for word in ("complaint", "投诉", "Complaint"):
        assert ask("cases", "cases", cuts={"kind": word}).rows == [{"cases": 4}]


def test_the_null_member_can_be_cut(ask: Ask) -> None:
    assert ask("cases", "cases", cuts={"org.l2": None}).rows == [{"cases": 1}]
    assert ask("sales", "order_lines", cuts={"product.family": None}).rows == [{"order_lines": 2}]
    assert ask("cases", "cases", cuts={"category": [None, "#c2"]}).rows == [{"cases": 2}]


def test_equal_names_under_different_parents_stay_two_members(ask: Ask) -> None:
    result = ask("cases", "cases", "org.l3", cuts={"org.l3": "城区"}, keys=True)
    assert result.rows == [
        {"org.l3": "城区", "org.l3__id": "510101", "cases": 2},
        {"org.l3": "城区", "org.l3__id": "510201", "cases": 1},
    ]


def test_english_names_fall_back_to_the_own_name(ask: Ask) -> None:
    result = ask("cases", "cases", "org.county", language="en")
    assert {row["org.county"] for row in result.rows} == {"Central", "Shuangliu", "城区", None}
    assert [column.label for column in result.columns] == ["County", "Cases"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"cube": "case", "measures": "cases"}, "did you mean 'cases'"),
        ({"cube": "cases", "measures": "complants"}, "did you mean 'complaints'"),
        ({"cube": "cases", "measures": "cases", "by": "orgg.l2"}, "did you mean 'org"),
        ({"cube": "cases", "measures": "cases", "by": "created.months"}, "did you mean 'month'"),
        ({"cube": "cases", "measures": "cases", "time": "creatd"}, "did you mean 'created'"),
        ({"cube": "cases", "measures": "cases", "cuts": {"org.l2": "成部"}}, "did you mean '成都'"),
        (
            {"cube": "cases", "measures": "cases", "cuts": {"org": "成都"}},
            "did you mean '四川/成都'",
        ),
        ({"cube": "cases", "measures": "cases", "cuts": {"kind": "complant"}}, "did you mean"),
        ({"cube": "cases", "measures": "cases", "order": "-case"}, "did you mean 'cases'"),
        ({"cube": "cases", "measures": "cases", "period": "yesterdy"}, "cannot be read"),
        ({"cube": "cases", "measures": "cases", "cuts": {"created": "2026-02-30"}}, "cannot be"),
        ({"cube": "customers", "measures": "active", "by": "month.day"}, "knows months only"),
        ({"cube": "cases", "measures": "cases", "cuts": {"org.l1": "四川/成都"}}, "level 1"),
        ({"cube": "cases", "measures": "cases", "by": "org.l²"}, "has no dimension, level or time"),
        ({"cube": "cases", "measures": "cases", "by": "org.l" + "9" * 5000}, "has no dimension"),
        ({"cube": "cases", "measures": "cases", "by": "org."}, "has no dimension, level or time"),
        ({"cube": "cases", "measures": "cases", "by": "created."}, "has no dimension, level"),
        ({"cube": "cases", "measures": "cases", "cuts": {"kind": "\udc80"}}, "is no text"),
        (
            {"cube": "cases", "measures": "cases", "by": "resolved.day", "fill": "zero"},
            "adds the dates of time 'created', .* ask with 'time: resolved'",
        ),
    ],
)
def test_what_does_not_exist_is_refused_with_a_suggestion(
    ask: Ask, query: dict[str, object], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        ask(query.pop("cube"), query.pop("measures"), query.pop("by", ()), **query)


RANGED = """
cube: visit
fact: visit
dimensions:
  size: {sql: visits}
  paid: {sql: paid_on}
measures:
  visits: {agg: sum, sql: visits}
"""


@pytest.mark.parametrize(
    ("cut", "told"),
    [
        ({"size": "2..4"}, 6),
        ({"size": "2.5.."}, 4),
        ({"size": "..-1e0"}, None),
        ({"size": "two..4"}, "'two' is no number, so no range of 'size'"),
        ({"size": "2..4,"}, "'4,' is no number"),
        ({"size": ".."}, "needs at least one end"),
        ({"paid": "2026-02-01..2026-02-28"}, 6),
        ({"paid": "2026-02..2026-03"}, "'2026-02' is no date"),
    ],
)
def test_a_range_whose_end_is_no_value_is_refused_rather_than_empty(
    tmp_path: Path, cut: dict[str, str], told: int | str | None
) -> None:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "visit.yml").write_text(RANGED)
    catalogue = load_catalogue([tmp_path])
    query = CubeQuery.from_mapping({"cube": "visit", "measures": ["visits"], "cuts": cut})
    with duckdb.connect() as connection:
        connection.execute(
            "create table visit as select * from (values (date '2026-01-31', 1), "
            "(date '2026-02-01', 2), (date '2026-02-28', 4)) as t (paid_on, visits)"
        )

        def ask() -> object:
            answer = run_query(catalogue, connection, query, scope=Scope.all(), business_date=None)
            return answer.rows[0]["visits"]

        if isinstance(told, str):
            with pytest.raises(QueryError, match=told):
                ask()
        else:
            assert ask() == told


def test_an_empty_cut_gives_no_rows_and_an_empty_total(ask: Ask) -> None:
    result = ask("sales", ["revenue", "orders"], "org.l2", period="2001", totals="grand")
    assert result.rows == []
    assert result.totals == [{"revenue": None, "orders": 0}]
    contradictory = ask("sales", "orders", period="2026-03", cuts={"sold": "2026-02"})
    assert contradictory.rows == [{"orders": 0}]


def test_cuts_on_time_are_ranges_inclusive_at_their_grain(ask: Ask) -> None:
    def lines(**cuts: object) -> int:
        return int(ask("sales", "order_lines", cuts=cuts).rows[0]["order_lines"])

    assert lines(sold="2026-02..2026-03") == 6
    assert lines(**{"sold.month": "2026-02"}) == 1
    assert lines(sold=["2026-02", "2026-03-30"]) == 4
    assert lines(sold="..2025") == 1


def test_order_and_limit_keep_totals_of_everything(ask: Ask) -> None:
    result = ask("cases", "cases", "org.l2", order="-cases", limit=1, totals="grand")
    assert result.rows == [{"org.l2": "成都", "cases": 3}]
    assert result.totals == [{"cases": 6}]


def test_values_are_bound_and_never_written_into_the_statement(ask: Ask) -> None:
    result = ask("cases", "cases", cuts={"org": "四川/成都", "kind": "complaint"}, period="2026-03")
    assert "成都" not in result.sql and "2026" not in result.sql
    assert "成都" in result.parameters.values()


def test_units_are_converted_after_the_sum(ask: Ask) -> None:
    (row,) = ask("usage", ["minutes", "megabytes", "charge"]).rows
    assert row == {"minutes": 1.5, "megabytes": 2.5, "charge": Decimal("1.50")}


def test_a_month_may_be_asked_for_as_it_is_shown_by_its_first_day(ask: Ask) -> None:
    def lines(**cuts: str) -> int:
        return int(ask("sales", "order_lines", cuts=cuts).rows[0]["order_lines"])

    assert lines(**{"sold.month": "2026-03-01"}) == lines(sold="2026-03") > lines(sold="2026-03-01")
    assert lines(**{"sold.month": "2026-02-01..2026-03-01"}) == lines(sold="2026-02..2026-03")
    assert lines(**{"sold.week": "2026-03-30"}) == lines(sold="2026-03-30..2026-04-05")
    assert lines(**{"sold.quarter": "2026-01-01"}) == lines(sold="2026-Q1")
    # Days that begin no month stay days.
    assert lines(**{"sold.month": "2026-03-30"}) == lines(sold="2026-03-30")


def test_a_value_may_be_cut_by_its_label_in_either_language(ask: Ask) -> None:
    def cases(**cuts: str) -> int:
        return int(ask("cases", "cases", cuts=cuts).rows[0]["cases"])

    assert cases(is_open="未结") == cases(is_open="Open") == cases(is_open="true") > 0
    with pytest.raises(QueryError, match="'is_open' has no member '未'"):
        cases(is_open="未")
