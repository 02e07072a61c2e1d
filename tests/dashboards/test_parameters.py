"""What Superset is told of a chart, for the things a figure would be misread without."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cubes.catalogue import Catalogue
from cubes.label import Language
from cubes.warehouse import Warehouse
from dashboards.chart import draw, resolved
from dashboards.dataset import datasets
from dashboards.declaration import Chart
from dashboards.link import Page
from dashboards.parameters import chart_asset
from tests.dashboards.conftest import ZONE

TITLE = {"zh": "标题", "en": "Title"}
PAGES = {"case_no": Page("case", "工单详情")}


@pytest.fixture
def params(catalogue: Catalogue, warehouse: Warehouse) -> Any:
    """Gives the parameters of a chart of dashboard `some`, or of another."""

    def made(language: Language = "zh", slug: str = "some", **declared: Any) -> dict[str, Any]:
        chart = resolved(Chart.model_validate({"title": TITLE, **declared}), catalogue)
        sets = datasets(catalogue, warehouse, language, ZONE, PAGES)
        asset = chart_asset(draw(slug, "chart", chart, language, sets))
        return {**asset["params"], "viz_type": asset["viz_type"]}

    return made


def test_a_number_without_a_period_before_shows_its_target_and_is_red_when_it_is_missed(
    params: Any,
) -> None:
    found = params(
        viz="number",
        cube="cases",
        measures="reply_on_time_rate",
        targets={"reply_on_time_rate": 0.9},
    )
    assert found["viz_type"] == "big_number_total" and found["subtitle"] == "目标不低于 90%"
    (rule,) = found["conditional_formatting"]
    assert (rule["column"], rule["operator"], rule["targetValue"]) == (
        "reply_on_time_rate",
        "<",
        0.9,
    )


def test_more_than_the_target_is_the_miss_where_lower_is_better(params: Any) -> None:
    declared = {"cube": "backlog", "measures": "overdue_share", "by": "org.l2"}
    found = params(viz="table", targets={"overdue_share": 0.1}, **declared)
    (rule,) = found["conditional_formatting"]
    assert (rule["operator"], rule["targetValue"]) == (">", 0.1)
    declared["by"] = "open.day"
    line = params(viz="line", language="en", targets={"overdue_share": 0.1}, **declared)
    (level,) = line["annotation_layers"]
    assert (level["name"], level["value"]) == ("target: at most 10%", "0.1")


def test_a_number_is_compared_with_the_day_its_query_compares_with(params: Any) -> None:
    found = params(viz="number", query="complaints", measures="complaints")
    assert (found["viz_type"], found["time_compare"]) == ("pop_kpi", "1 week ago")
    assert found["column_config"]["Previous value"]["customColumnName"] == "上周同日"
    found = params(viz="number", cube="cases", measures="cases", compare="previous")
    assert found["time_compare"] == "inherit"
    assert found["column_config"]["Previous value"]["customColumnName"] == "上期"


def test_a_table_by_month_tells_superset_the_grain_or_it_would_group_by_day(params: Any) -> None:
    for viz in ("table", "pivot"):
        found = params(viz=viz, cube="arrears", measures="balance", by="balance.month")
        assert found["time_grain_sqla"] == "P1M"
        assert found["temporal_columns_lookup"] == {"balance_on": True}


def test_days_without_rows_are_nothing_for_sums_and_unknown_for_rates_and_balances(
    params: Any,
) -> None:
    sums = params(viz="line", cube="cases", measures=["cases", "complaints"], by="created.day")
    assert (sums["resample_rule"], sums["resample_method"]) == ("1D", "zerofill")
    for cube, measure, by in (
        ("cases", "reply_on_time_rate", "created.day"),
        ("arrears", "balance", "balance.day"),
        ("cases", "cases", "created.week"),
    ):
        assert "resample_rule" not in params(viz="line", cube=cube, measures=measure, by=by)


def test_durations_are_told_in_hours_unless_the_chart_says_otherwise(params: Any) -> None:
    declared = {"viz": "table", "cube": "cases", "measures": ["cases", "reply_p90"], "by": "kind"}
    found = params(**declared)
    assert found["metrics"] == ["cases", "reply_p90__hours"]
    # A bar compares counts and sums; a percentile is neither.
    shown = {name: config["showCellBars"] for name, config in found["column_config"].items()}
    assert shown == {"cases": True, "reply_p90__hours": False}
    assert params(durations="seconds", **declared)["metrics"] == ["cases", "reply_p90"]


def test_a_list_shows_the_words_of_a_cut_and_links_its_rows(params: Any) -> None:
    declared = {
        "viz": "detail",
        "cube": "cases",
        "fields": ["case_no", "created.moment", "due"],
        "cuts": {"is_open": "true"},
        "order": "-created.moment",
    }
    found = params(**declared)
    assert found["all_columns"] == ["case_no", "case_no_link", "created_at_local", "due_on"]
    assert found["order_by_cols"] == ['["created_at_local", false]']
    assert [item["comparator"] for item in found["adhoc_filters"][1:]] == [["未结"]]
    english = params(language="en", **declared)
    assert [item["comparator"] for item in english["adhoc_filters"][1:]] == [["Open"]]
    assert found["server_pagination"] and not params(limit=20, **declared)["server_pagination"]
    assert "case_no_link" not in params(slug="case", **declared)["all_columns"]


def test_a_chart_takes_from_its_query_what_it_does_not_say(
    catalogue: Catalogue, params: Any
) -> None:
    found = params(viz="table", query="case_backlog", measures="open_cases")
    assert found["metrics"] == ["open_cases"] and found["groupby"] == ["status_label"]
    # The query has no period, so the dashboard's does not limit the chart; its cut stays.
    (cut,) = found["adhoc_filters"]
    assert (cut["subject"], cut["comparator"]) == ("is_open_label", ["未结"])
    by_unit = Chart.model_validate({"title": TITLE, "viz": "table", "query": "arrears_by_unit"})
    # A cut that waits for a parameter is left to the filters.
    assert resolved(by_unit, catalogue).cuts == {}


@pytest.mark.parametrize(
    ("measure", "expected"),
    [("cases", ",.2~f"), ("reopen_rate", ".1~%"), ("score_avg", ",.2~f")],
)
def test_the_ticks_of_an_axis_differ_and_carry_no_zeros_that_only_fill_up(
    params: Any, measure: str, expected: str
) -> None:
    found = params(viz="line", cube="cases", measures=measure, by="created.month")
    assert found["y_axis_format"] == expected


def test_what_is_added_up_is_written_without_decimals_and_a_mean_with_two(params: Any) -> None:
    sums = params(viz="table", cube="usage", measures="minutes", by="usage_type")
    means = params(viz="table", cube="cases", measures="score_avg", by="kind")
    assert sums["column_config"]["minutes"]["d3NumberFormat"] == ",.0f"
    assert means["column_config"]["score_avg"]["d3NumberFormat"] == ",.2f"


def options_of(params: Any, **declared: Any) -> Any:
    """The ECharts options of a chart of cases."""
    return json.loads(params(cube="cases", **declared)["echart_options"])


def test_counts_are_ticked_at_whole_numbers_and_shares_at_quarters(params: Any) -> None:
    for viz, axis, by in (("columns", "yAxis", "created.day"), ("bars", "xAxis", "kind")):
        found = options_of(params, viz=viz, measures=["cases", "complaints"], by=by)
        assert found[axis] == {"minInterval": 1}, viz
    shares = options_of(params, viz="line", measures="reply_on_time_rate", by="created.week")
    assert shares["yAxis"] == {"interval": 0.25}
    # Means have ticks between whole numbers.
    means = options_of(params, viz="line", measures="score_avg", by="created.day")
    assert "yAxis" not in means


def test_bars_that_carry_their_figures_have_no_axis_of_figures(params: Any) -> None:
    axis = options_of(params, viz="bars", measures="complaints", by="org.l2")["xAxis"]
    assert axis["axisLabel"] == axis["splitLine"] == {"show": False}


def test_a_line_in_time_has_its_first_label_and_months_have_short_ones(params: Any) -> None:
    days = options_of(params, viz="line", measures="complaints", by="created.day")
    assert days["xAxis"]["axisLabel"] == {"showMinLabel": True}
    declared = {"viz": "line", "measures": "complaints", "by": "created.month"}
    assert options_of(params, **declared)["xAxis"]["axisLabel"]["showMaxLabel"] is False
    for language in ("zh", "en"):
        found = params(language=language, cube="cases", **declared)
        assert found["x_axis_time_format"] == "%y-%m"


def test_a_list_may_be_cut_to_complaints(params: Any) -> None:
    declared = {"viz": "detail", "cube": "cases", "fields": ["case_no"]}
    for language, member in (("zh", "投诉"), ("en", "Complaints")):
        found = params(language=language, cuts={"kind.is_complaint": "true"}, **declared)
        (cut,) = found["adhoc_filters"][1:]
        assert (cut["subject"], cut["comparator"]) == ("kind_is_complaint_label", [member])
