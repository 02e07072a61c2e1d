"""Drilling through: the rows behind a figure are those it counts, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cubes.answer import answer_columns
from cubes.catalogue import Catalogue, check_catalogue, load_catalogue, shipped_folder
from cubes.drill_through import drill_through
from cubes.errors import AnswerTooLarge, DeclarationError, QueryError
from cubes.limits import Limits
from cubes.named_query import run_named_query
from cubes.query import CubeQuery, CubeResult
from cubes.record_stream import stream_named_records
from cubes.scope import Scope
from cubes.warehouse import read_warehouse
from tests.cubes.conftest import BUSINESS_DATE, Ask

Drill = Callable[..., CubeResult]


@pytest.fixture
def drill(catalogue: Catalogue, marts: duckdb.DuckDBPyConnection) -> Drill:
    def run(
        cube: str, measures: str, *, columns: Any = (), scope: Scope | None = None,
        language: str = "zh", zone: str | None = None, most_rows: int | None = None, **rest: Any,
    ) -> CubeResult:  # fmt: skip
        return drill_through(
            catalogue,
            marts,
            CubeQuery.from_mapping({"cube": cube, "measures": measures, **rest}),
            columns=columns,
            scope=scope or Scope.all(),
            business_date=BUSINESS_DATE,
            language=language,
            most_rows=most_rows,
        )

    return run


CUTS: list[dict[str, Any]] = [
    {},
    {"cuts": {"org": "四川/成都"}},
    {"period": "2026-03"},
    {"cuts": {"channel": "phone"}, "period": "2026"},
    {"time": "resolved", "period": "2026-03"},
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("scope", [None, ["5101"], ["510101"]])
@pytest.mark.parametrize(
    "measure", ["cases", "complaints", "open_cases", "reopened", "scored", "satisfied"]
)
def test_a_count_is_the_number_of_its_rows(
    ask: Ask, drill: Drill, measure: str, cut: dict[str, Any], scope: list[str] | None
) -> None:
    seen = None if scope is None else Scope.units(scope)
    (row,) = ask("cases", measure, scope=seen, **cut).rows
    assert len(drill("cases", measure, scope=seen, **cut).rows) == row[measure]


def test_a_sum_is_the_sum_of_its_rows_and_a_balance_that_of_its_day(ask: Ask, drill: Drill) -> None:
    for cube, measure, column in (
        ("sales", "revenue", "amount"),
        ("arrears", "balance", "balance"),
        ("arrears", "opening", "opening"),
        ("arrears", "recovered", "recovered"),
    ):
        for period in ("2026-03", "2026-03-01..2026-03-29", "2026"):
            (row,) = ask(cube, measure, period=period).rows
            rows = drill(cube, measure, period=period).rows
            assert sum(one[column] for one in rows) == (row[measure] or 0)


def test_a_share_gives_the_rows_of_both_its_sides_once(ask: Ask, drill: Drill) -> None:
    (row,) = ask("cases", "scored").rows
    rows = drill("cases", "satisfaction_rate").rows
    assert len(rows) == row["scored"]
    assert all(one["score"] is not None for one in rows)


def test_rows_tell_what_people_read_in_the_asked_language(drill: Drill) -> None:
    chinese = drill("cases", "complaints", order="case_no", limit=1)
    english = drill("cases", "complaints", order="case_no", limit=1, language="en")
    labels = [column.label for column in chinese.columns]
    assert {"工单号", "单位", "类型", "渠道"} <= set(labels)
    assert {"Case number", "Unit", "Kind", "Channel"} <= {c.label for c in english.columns}
    assert len(chinese.rows) == 1
    assert chinese.rows[0]["kind_label"] == "投诉"


def test_columns_order_and_limit_are_chosen(drill: Drill) -> None:
    result = drill("sales", "revenue", columns=["order_no", "amount"], order="-amount", limit=2)
    assert [column.name for column in result.columns] == ["order_no", "amount"]
    amounts = [row["amount"] for row in result.rows]
    everything = [row["amount"] for row in drill("sales", "revenue").rows]
    assert amounts == sorted(everything, reverse=True)[:2]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"columns": ["case_number"]}, r"no column 'case_number'"),
        ({"columns": ["content"]}, "no column 'content'"),
        ({"order": "reporter_key"}, "'order' names 'reporter_key'"),
        ({"by": "org.l2"}, "not grouped"),
        ({"totals": "grand"}, "not grouped"),
        ({"compare": "year", "period": "2026"}, "no 'compare'"),
        ({"fill": "zero"}, "no 'fill'"),
        ({"as_was": True}, "leave 'as_was' out"),
        ({"cuts": {"org": "四川/成"}}, "has no member '四川/成'"),
        ({"cuts": {"kind": "x' or 1=1 --"}}, "has no member"),
    ],
)
def test_what_rows_cannot_have_is_refused(drill: Drill, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(QueryError, match=said):
        drill("cases", "cases", **asked)


def test_more_rows_than_wanted_are_refused(drill: Drill) -> None:
    with pytest.raises(AnswerTooLarge):
        drill("cases", "cases", most_rows=2)


def test_no_row_is_an_answer(drill: Drill) -> None:
    result = drill("cases", "cases", period="2020")
    assert result.rows == [] and "case_no" in {column.name for column in result.columns}


LIST = """
query: reported_list
label: {zh: 投诉清单, en: Complaints by number}
cube: cases
measures: [complaints]
parameters: {unit: {type: unit, optional: true}}
cuts: {org: "#{unit}"}
rows: [case_no, kind_label, due_on]
columns: {due_on: {label: {zh: 最迟, en: Latest}}}
order: [case_no]
limit: 10
"""


def written(folder: Path, text: str) -> Catalogue:
    (folder / "queries").mkdir(exist_ok=True)
    (folder / "queries" / "reported_list.yml").write_text(text, encoding="utf-8")
    return load_catalogue([shipped_folder(), folder])


def test_a_saved_report_of_rows_is_asked_listed_and_streamed_like_any_other(
    tmp_path: Path, drill: Drill, marts: duckdb.DuckDBPyConnection
) -> None:
    catalogue = written(tmp_path, LIST)
    warehouse = read_warehouse(marts)
    asked: dict[str, Any] = {"scope": Scope.units(["5101"]), "business_date": BUSINESS_DATE}
    expected = drill(
        "cases", "complaints", columns=["case_no", "kind_label", "due_on"],
        scope=Scope.units(["5101"]), order="case_no",
    ).rows  # fmt: skip
    result = run_named_query(catalogue, marts, "reported_list", {}, **asked)
    assert result.rows == expected and expected
    named = catalogue.named_query("reported_list")
    columns = answer_columns(
        catalogue, named, warehouse=warehouse, business_date=BUSINESS_DATE, language="zh"
    )
    assert [column.label for column in columns] == ["工单号", "类型", "最迟"]
    assert [column.label for column in columns] == [column.label for column in result.columns]
    (one,) = run_named_query(catalogue, marts, "reported_list", {"unit": "510102"}, **asked).rows
    assert one in expected
    asked |= {"warehouse": warehouse, "language": "zh"}
    with stream_named_records(catalogue, marts, "reported_list", {}, **asked) as stream:
        assert list(stream.rows()) == expected
    # An export has limits of its own, whatever those of the query are.
    with (
        pytest.raises(AnswerTooLarge, match="more than 1 rows"),
        stream_named_records(catalogue, marts, "reported_list", {}, limits=Limits(rows=1), **asked),
    ):
        pass
    with pytest.raises(QueryError, match="'by' and 'keys' belong to figures"):
        run_named_query(catalogue, marts, "reported_list", {}, by=["kind"], **asked)


def test_faults_of_a_saved_report_of_rows_are_told_with_their_place(
    tmp_path: Path, marts: duckdb.DuckDBPyConnection
) -> None:
    wrong = written(tmp_path, LIST.replace("kind_label", "kind_labl"))
    with pytest.raises(DeclarationError, match=r"rows\.1: .*'kind_labl' \(did you mean"):
        check_catalogue(wrong, marts, keys=False)
    with pytest.raises(DeclarationError, match="by, totals may not stand beside 'rows'"):
        written(tmp_path, LIST + "by: [kind]\ntotals: grand\n")
