"""Named queries in SQL: what may stand in them, their scope, their parameters and limits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cubes.catalogue import check_catalogue, load_catalogue, shipped_folder
from cubes.errors import AnswerTooLarge, AnswerTooSlow, DeclarationError, QueryError
from cubes.named_query import run_named_query
from cubes.query_macro import create_macros
from cubes.scope import Scope
from cubes.select_check import select_faults
from tests.cubes.conftest import BUSINESS_DATE

DECLARED = """\
query: cases_of_unit
label: {zh: 各单位工单, en: Cases by unit}
parameters:
  kind: {type: string, optional: true, length: 40}
  from: {type: date, optional: true}
columns:
  org_unit_id: {label: {zh: 单位, en: Unit}}
  cases: {label: {zh: 工单数, en: Cases}, type: integer}
scope: {column: org_unit_id}
sql: |
  select fact.org_unit_id, count(*) as cases
  from marts.fct_case as fact
  where ($from is null or fact.created_on >= $from) and ($kind is null or fact.kind = $kind)
  group by fact.org_unit_id
  order by fact.org_unit_id
"""


def _load(folder: Path, text: str, name: str = "cases_of_unit") -> Any:
    (folder / "queries").mkdir(exist_ok=True)
    (folder / "queries" / f"{name}.yml").write_text(text, encoding="utf-8")
    return load_catalogue([shipped_folder(), folder])


def _run(catalogue: Any, marts: Any, given: Any = None, **more: Any) -> Any:
    return run_named_query(
        catalogue,
        marts,
        "cases_of_unit",
        given or {},
        scope=more.pop("scope", Scope.all()),
        business_date=BUSINESS_DATE,
        **more,
    )


def test_a_select_answers_and_a_scope_takes_its_rows(
    tmp_path: Path, marts: duckdb.DuckDBPyConnection
) -> None:
    catalogue = _load(tmp_path, DECLARED)
    check_catalogue(catalogue, marts, keys=False)
    whole = _run(catalogue, marts)
    counted = marts.execute(
        "select org_unit_id, count(*) from marts.fct_case group by all order by 1"
    ).fetchall()
    assert [tuple(row.values()) for row in whole.rows] == counted
    part = _run(catalogue, marts, scope=Scope.units(["5101"]))
    assert [row["org_unit_id"] for row in part.rows] == [
        unit for unit, _ in counted if unit is not None and unit.startswith("5101")
    ]
    assert 0 < len(part.rows) < len(whole.rows)
    assert _run(catalogue, marts, scope=Scope.units([])).rows == []
    assert [column.label for column in whole.columns] == ["单位", "工单数"]
    late = _run(catalogue, marts, {"from": "2999-01-01"})
    assert late.rows == []


def test_a_select_is_a_macro_too(tmp_path: Path, marts: duckdb.DuckDBPyConnection) -> None:
    catalogue = _load(tmp_path, DECLARED)
    with marts.cursor() as connection:
        create_macros(catalogue, connection, business_date=BUSINESS_DATE)
        rows = connection.execute("select * from q_cases_of_unit()").fetchall()
        assert rows == [tuple(row.values()) for row in _run(catalogue, marts).rows]


@pytest.mark.parametrize(
    "text",
    ["x' or '1'='1", "'; drop table marts.fct_case; --", "$from", "{business_date}", "5101\0"],
)
def test_a_text_given_for_a_parameter_is_never_sql(
    tmp_path: Path, marts: duckdb.DuckDBPyConnection, text: str
) -> None:
    catalogue = _load(tmp_path, DECLARED)
    before = marts.execute("select count(*) from marts.fct_case").fetchone()
    assert _run(catalogue, marts, {"kind": text}).rows == []
    with pytest.raises(QueryError, match="must be a date"):
        _run(catalogue, marts, {"from": text})
    assert marts.execute("select count(*) from marts.fct_case").fetchone() == before


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select * from read_csv('/etc/passwd')", "no table|not in schema|not allowed"),
        ("select * from '/etc/passwd'", "not in schema"),
        ("select * from marts.fct_case; drop table marts.fct_case", "must be one select"),
        ("delete from marts.fct_case", "must be one select"),
        ("copy marts.fct_case to '/tmp/x'", "must be one select"),
        ("attach '/tmp/x' as y", "must be one select|cannot be parsed"),
        ("select * from raw.hotline__cases", "not in schema"),
        ("select * from information_schema.tables", "not in schema"),
        ("select * from elsewhere.marts.fct_case", "not in schema"),
        ("select getenv('HOME') from marts.fct_case", "function getenv"),
        ("select content from read_text('/etc/passwd')", "no table|not in schema|not allowed"),
        ("select current_setting('secret_directory')", "function current_setting"),
        ("select * from query('select 1')", "no table|not in schema|not allowed"),
        ("select * from marts.fct_case where kind = ?", "is no parameter"),
        ("select * from marts.fct_case where kind = $nothing", "no parameter"),
        ("select * from marts.fct_case limit 5", "limit would cut"),
        ("select * from marts.fct_case offset 5", "offset would cut"),
        ("select * from marts.fct_case fetch first 5 rows only", "fetch would cut"),
        ("select * from marts.fct_case using sample 5", "sample would cut"),
        ("select * from marts.fct_case tablesample (5 percent)", "sample would cut"),
        ("select count(*) from (select * from marts.fct_case limit 5) c", "limit would cut"),
        ("with a as (select * from marts.fct_case limit 5) select * from a", "limit would cut"),
        ("select 1 union all (select 2 from marts.fct_case offset 1)", "offset would cut"),
        ("select * from (pivot marts.fct_case on kind using sum(1)) p", "a pivot is not allowed"),
        ("select * from (with a as (select 1) select * from a) b, a", "table a is not in schema"),
        ("with a as (select * from a) select * from a", "table a is not in schema"),
        ("with a as (select * from b), b as (select 1) select * from a", "table b is not in"),
        (
            "select * from '/etc/passwd' where exists "
            '(with "/etc/passwd" as (select 1) select * from "/etc/passwd")',
            "table /etc/passwd is not in schema",
        ),
        ("select org_unit_id as unit from marts.fct_case where unit = $unit", "name of a param"),
        ("with a as (select * from b.c) select * from a", "not in schema"),
        ("selekt", "must be one select|cannot be parsed"),
    ],
)
def test_what_is_no_select_over_the_marts_is_a_fault(sql: str, said: str) -> None:
    faults = "; ".join(select_faults(sql, {"business_date": None, "unit": None}))
    assert re.search(said, faults), faults


def test_selects_that_people_write_are_no_fault() -> None:
    for sql in (
        "with a as (select * from marts.fct_case) select a.kind, count(*) from a group by all",
        "select date_trunc('month', c.created_on) m, sum(1) filter (where c.kind = 'praise') "
        "from marts.fct_case c group by 1",
        "select c.kind, row_number() over (partition by c.kind order by c.case_no) "
        "from cube.cases c",
        "select kind from marts.fct_case union all select kind from marts.dim_kind",
        "with a as (select * from marts.fct_case), b as (select * from a) select * from b "
        "where exists (select 1 from a) union all (select * from b)",
        "with a as (select 1) select * from (with b as (select * from a) select * from b, a) c",
        "with recursive a as (select 1 as n union all select n + 1 from a) select n from a",
        "select c.kind from marts.fct_case c where c.created_on between $business_date - 7 and "
        "$business_date and exists (select 1 from marts.dim_kind k where k.kind = c.kind)",
        "select quantile_cont(c.amount, 0.5), round(avg(c.amount), 2), coalesce(max(c.x), 0) "
        "from marts.fct_sale c",
    ):
        assert list(select_faults(sql, {"business_date": None})) == [], sql


def test_every_fault_of_every_query_is_told_with_file_and_line(tmp_path: Path) -> None:
    _ = DECLARED
    (tmp_path / "queries").mkdir()
    one = DECLARED.replace("cases_of_unit", "one").replace("marts.fct", "raw.fct")
    (tmp_path / "queries/one.yml").write_text(one, encoding="utf-8")
    (tmp_path / "queries/two.yml").write_text(
        "query: two\ncube: cases\nmeasures: [casse]\nlimits: {rows: 0}\n"
        "parameters:\n  n: {type: integer, default: x}\n  m: {type: number}\n",
        encoding="utf-8",
    )
    (tmp_path / "queries/three.yml").write_text("query: three\nsql: select 1\n", encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        load_catalogue([shipped_folder(), tmp_path])
    told = str(caught.value)
    assert "one.yml:10" in told and "raw.fct_case is not in schema" in told
    assert "two.yml:4" in told and "two.yml:6" in told and "two.yml:7" in told
    assert "the default must be a integer, not 'x'" in told
    assert "three.yml" in told and "needs 'columns'" in told


def test_columns_that_the_select_does_not_have_are_found_in_the_database(
    tmp_path: Path, marts: duckdb.DuckDBPyConnection
) -> None:
    wrong = DECLARED.replace("fact.created_on", "fact.creatd_on")
    with pytest.raises(DeclarationError, match="creatd_on"):
        check_catalogue(_load(tmp_path, wrong), marts, keys=False)
    other = DECLARED.replace("cases: {label", "people: {label")
    with pytest.raises(DeclarationError, match="'columns' says otherwise"):
        check_catalogue(_load(tmp_path, other), marts, keys=False)


def test_a_select_without_scope_is_for_unrestricted_accounts_only(
    tmp_path: Path, marts: duckdb.DuckDBPyConnection
) -> None:
    bare = DECLARED.replace("scope: {column: org_unit_id}\n", "")
    catalogue = _load(tmp_path, bare)
    assert _run(catalogue, marts).rows
    with pytest.raises(QueryError, match="no scope"):
        _run(catalogue, marts, scope=Scope.units(["5101"]))
    everybody = DECLARED.replace("scope: {column: org_unit_id}", "scope: open")
    catalogue = _load(tmp_path, everybody)
    assert _run(catalogue, marts, scope=Scope.units(["5101"])).rows == _run(catalogue, marts).rows


def test_more_rows_than_the_limit_are_refused_and_none_is_given(
    tmp_path: Path, marts: duckdb.DuckDBPyConnection
) -> None:
    catalogue = _load(tmp_path, DECLARED + "limits: {rows: 1}\n")
    with pytest.raises(AnswerTooLarge, match="more than 1 rows"):
        _run(catalogue, marts, limited=True)
    assert len(_run(catalogue, marts).rows) > 1


def test_an_answer_that_takes_too_long_is_interrupted_and_the_connection_goes_on(
    tmp_path: Path, marts: duckdb.DuckDBPyConnection
) -> None:
    slow = DECLARED.replace(
        "from marts.fct_case as fact",
        "from marts.fct_case as fact cross join marts.dim_date a cross join "
        "marts.dim_date b cross join marts.dim_date c cross join marts.dim_date d",
    )
    catalogue = _load(tmp_path, slow + "limits: {seconds: 0.2}\n")
    with marts.cursor() as connection:
        with pytest.raises(AnswerTooSlow) as caught:
            _run(catalogue, connection, limited=True)
        assert caught.value.retryable
        assert connection.execute("select 1").fetchone() == (1,)
