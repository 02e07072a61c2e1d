"""From a chart to what is behind it, in both languages, as the pages ask for it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cubes.label import LANGUAGES, Language
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from dashboards.chart import DrawnChart, chart_id
from dashboards.identity import slug_of
from tests.superset.conftest import FIRST, LAST, Served, context_of

both = pytest.mark.parametrize("language", LANGUAGES)


def _chart(served: Served, slug: str, name: str, language: Language) -> DrawnChart:
    wanted = chart_id(slug_of(slug, language), name)
    return next(found for found in served.drawn() if found.id == wanted)


def _column(drawn: DrawnChart, name: str) -> str:
    assert drawn.dataset is not None
    column = drawn.dataset.field_column(name)
    assert column is not None
    return column.name


def _rows(served: Served, drawn: DrawnChart, **changed: Any) -> list[dict[str, Any]]:
    """The chart's rows, its query changed as a filter or a drill changes it."""
    context = context_of(served.charts[drawn.id])
    query = context["queries"][0]
    filters = [*query["filters"], *changed.pop("more", [])]
    queries = [{**query, "filters": filters, **changed}]
    status, answer = served.admin.data({**context, "queries": queries})
    assert status == 200, answer
    rows: list[dict[str, Any]] = answer["result"][0]["data"]
    return rows


def _cube(
    served: Served, measure: str, unit: str, language: Language, by: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """The cube's answer within one prefecture, which is given by its id."""
    with served.snapshot() as connection:
        row = connection.execute(
            "select distinct org_l2 from cube.cases where org_l2_id = ?", [unit]
        ).fetchone()
        assert row is not None
        query = CubeQuery(
            cube="cases",
            measures=(measure,),
            by=by,
            cuts=(("org.l2", (str(row[0]),)),),
            period=f"{FIRST}..{LAST}",
        )
        found = run_query(
            served.installation.catalogue,
            connection,
            query,
            scope=Scope.all(),
            business_date=LAST,
            language=language,
        )
    return found.rows


def _prefecture(served: Served, language: Language) -> tuple[str, str]:
    """The prefecture with most complaints: its name in a language and its id."""
    view = _chart(served, "overview", "complaints", language).dataset
    assert view is not None
    with served.snapshot() as connection:
        row = connection.execute(
            f"select org_l2, org_l2_id from cube.{view.view} where kind = 'complaint' "
            "and created_on between ? and ? and org_l2 is not null "
            "group by all order by count(*) desc, 2 limit 1",
            [FIRST, LAST],
        ).fetchone()
    assert row is not None
    return str(row[0]), str(row[1])


def _is(column: str, member: str) -> dict[str, Any]:
    return {"col": column, "op": "IN", "val": [member]}


@both
def test_the_cells_of_a_pivot_add_up_to_the_number_on_its_page(
    served: Served, language: Language
) -> None:
    pivot = _chart(served, "overview", "kinds", language)
    (total,) = _rows(served, _chart(served, "overview", "cases", language))
    cells = _rows(served, pivot)
    assert len({row[pivot.by[0]] for row in cells}) > 1
    assert len({row[pivot.across[0]] for row in cells}) > 1
    assert sum(row["cases"] for row in cells) == total["cases"] > 0


@both
def test_a_member_clicked_in_one_chart_filters_the_others(
    served: Served, language: Language
) -> None:
    member, unit = _prefecture(served, language)
    card = _chart(served, "overview", "complaints", language)
    (whole,), (filtered,) = (
        _rows(served, card),
        _rows(served, card, more=[_is(_column(card, "org.l2"), member)]),
    )
    (expected,) = _cube(served, "complaints", unit, language)
    assert filtered["complaints"] == expected["complaints"]
    assert 0 < filtered["complaints"] < whole["complaints"]


@both
def test_drilling_by_a_dimension_shows_what_the_cube_answers(
    served: Served, language: Language
) -> None:
    member, unit = _prefecture(served, language)
    table = _chart(served, "overview", "quality", language)
    status, answer = served.admin.call(
        "GET", f"/api/v1/dataset/{_dataset(served, table)}/drill_info/?q=(dashboard_id:1)"
    )
    assert status == 200, answer
    channel = _column(table, "channel")
    labels = {one["column_name"]: one["verbose_name"] for one in answer["result"]["columns"]}
    assert labels[channel] == {"zh": "渠道", "en": "Channel"}[language]
    measures = {one["metric_name"]: one["verbose_name"] for one in answer["result"]["metrics"]}
    assert measures["complaints"] == {"zh": "投诉数", "en": "Complaints"}[language]
    assert set(measures) >= set(table.metrics)
    found = _rows(served, table, columns=[channel], more=[_is(_column(table, "org.l2"), member)])
    expected = _cube(served, "cases", unit, language, by=("channel",))
    assert sorted(row["cases"] for row in found) == sorted(row["cases"] for row in expected)
    assert len(found) > 1


def _dataset(served: Served, drawn: DrawnChart) -> int:
    context = json.loads(served.charts[drawn.id]["query_context"])
    return int(context["datasource"]["id"])


@both
def test_the_detail_behind_a_member_is_its_rows_and_no_others(
    served: Served, language: Language
) -> None:
    member, unit = _prefecture(served, language)
    table = _chart(served, "overview", "quality", language)
    column = _column(table, "org.l2")
    status, answer = served.admin.call(
        "POST",
        f"/datasource/samples?datasource_type=table&datasource_id={_dataset(served, table)}"
        "&per_page=50&page=1",
        {
            "filters": [{"col": column, "op": "==", "val": member}],
            "extras": {},
            "time_range": "No filter",
        },
    )
    assert status == 200, answer
    assert {row[column] for row in answer["result"]["data"]} == {member}
    with served.snapshot() as connection:
        count = connection.execute(
            "select count(*) from cube.cases where org_l2_id = ?", [unit]
        ).fetchone()
    assert count is not None and answer["result"]["total_count"] == count[0] > 0


@both
def test_a_row_of_the_province_leads_to_the_page_of_its_case(
    served: Served, language: Language
) -> None:
    member, unit = _prefecture(served, language)
    table = _chart(served, "complaints", "quality", language)
    units = _rows(served, table)
    assert member in {row[table.by[0]] for row in units}
    listed = _chart(served, "complaints", "cases", language)
    rows = _rows(served, listed, more=[_is(_column(listed, "org.l2"), member)])
    (expected,) = _cube(served, "complaints", unit, language)
    assert len(rows) == expected["complaints"] > 0
    # The first of them, since what came last is due after the period.
    complaint = min(
        (row for row in rows if {"投诉", "Complaint"} & {*map(str, row.values())}),
        key=lambda row: row["created_at_local"],
    )
    number = complaint["case_no"]
    (link,) = [value for value in complaint.values() if "href" in str(value)]
    assert re.search(rf"/superset/dashboard/{slug_of('case', language)}/\?", link)
    assert number in link
    page = _chart(served, "case", "case", language)
    (case,) = _rows(served, page, more=[_is("case_no", number)])
    assert case["case_no"] == number
    clocks = _chart(served, "case", "clock_rows", language)
    of_the_case = _rows(served, clocks, more=[_is("case_no", number)])
    assert {row["case_no"] for row in of_the_case} == {number}
