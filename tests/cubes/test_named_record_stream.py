"""Answers in parts: the same rows as at once, within limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from cubes.catalogue import Catalogue, load_catalogue, shipped_folder
from cubes.errors import AnswerTooLarge, AnswerTooSlow, QueryError
from cubes.limits import Limits, within_seconds
from cubes.named_query import run_named_query
from cubes.record_stream import stream_named_records
from cubes.scope import Scope
from cubes.warehouse import read_warehouse
from tests.cubes.conftest import BUSINESS_DATE

TOTALLED = """\
query: cases_with_totals
label: {zh: 工单合计, en: Cases with totals}
cube: cases
measures: [cases]
by: [org.l2, kind]
totals: all
"""
NUMBERS = """\
query: numbers
label: {zh: 数, en: Numbers}
scope: open
columns:
  number: {label: {zh: 数, en: Number}, type: integer}
sql: SQL
"""


def numbers(digits: int, number: str = "number") -> str:
    """A select of all numbers of so many digits."""
    tables = [f"ten as t{place}" for place in range(digits)]
    whole = " + ".join(f"t{place}.digit * {10**place}" for place in range(digits))
    return (
        f"with ten(digit) as (values {', '.join(f'({one})' for one in range(10))}), "
        f"whole as (select {whole} as number from {', '.join(tables)}) "
        f"select {number} as number from whole"
    )


def declared(folder: Path, text: str, name: str) -> Catalogue:
    (folder / "queries").mkdir()
    (folder / "queries" / f"{name}.yml").write_text(text, encoding="utf-8")
    return load_catalogue([shipped_folder(), folder])


def streamed(
    catalogue: Catalogue, marts: duckdb.DuckDBPyConnection, name: str, **limits: Any
) -> list[dict[str, Any]]:
    with stream_named_records(
        catalogue,
        marts,
        name,
        {},
        scope=Scope.units(["51"]),
        business_date=BUSINESS_DATE,
        language="zh",
        warehouse=read_warehouse(marts),
        limits=Limits(**limits),
        keys=True,
    ) as answer:
        rows = list(answer.rows())
    assert all(list(row) == answer.schema.names for row in rows)
    return rows


def test_the_rows_of_a_cube_come_with_keys_and_without_totals(
    tmp_path: Path, marts: duckdb.DuckDBPyConnection
) -> None:
    catalogue = declared(tmp_path, TOTALLED, "cases_with_totals")
    at_once = run_named_query(
        catalogue,
        marts,
        "cases_with_totals",
        {},
        scope=Scope.units(["51"]),
        business_date=BUSINESS_DATE,
        keys=True,
    )
    assert at_once.totals and len(at_once.rows) > 1
    rows = streamed(catalogue, marts, "cases_with_totals")
    assert rows == at_once.rows and "org.l2__id" in rows[0]
    with pytest.raises(AnswerTooLarge, match="more than 1 rows"):
        streamed(catalogue, marts, "cases_with_totals", rows=1)


def test_a_select_gives_its_rows_up_to_the_limit(
    tmp_path: Path, marts: duckdb.DuckDBPyConnection
) -> None:
    catalogue = declared(tmp_path, NUMBERS.replace("SQL", numbers(4)), "numbers")
    rows = streamed(catalogue, marts, "numbers", rows=10_000)
    assert sorted(row["number"] for row in rows) == list(range(10_000))
    with pytest.raises(AnswerTooLarge):
        streamed(catalogue, marts, "numbers", rows=9_999)


def test_reading_that_takes_too_long_is_given_up(
    tmp_path: Path, marts: duckdb.DuckDBPyConnection
) -> None:
    sql = numbers(9, "max(number)")
    catalogue = declared(tmp_path, NUMBERS.replace("SQL", sql), "numbers")
    with pytest.raises(AnswerTooSlow):
        streamed(catalogue, marts, "numbers", rows=1_000_000, seconds=0.2)
    assert marts.execute("select 1").fetchone() == (1,)


def test_what_fails_while_it_is_read_is_a_fault_of_the_query(
    tmp_path: Path, marts: duckdb.DuckDBPyConnection
) -> None:
    sql = numbers(4, "cast(case when number < 9999 then '1' else 'x' end as integer)")
    catalogue = declared(tmp_path, NUMBERS.replace("SQL", sql), "numbers")
    with pytest.raises(QueryError, match="'numbers' could not be answered"):
        streamed(catalogue, marts, "numbers")


def test_an_error_that_comes_after_the_time_is_over_stays_what_it_is() -> None:
    with (
        duckdb.connect() as connection,
        pytest.raises(ValueError, match="rows repeat the key"),
        within_seconds(connection, 0.001),
    ):
        with pytest.raises(duckdb.InterruptException):
            connection.execute(numbers(9, "max(number)")).fetchall()
        raise ValueError("rows repeat the key")
