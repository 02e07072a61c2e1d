"""Answers as Arrow and CSV: exact, in parts, within limits, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pytest

from cubes.catalogue import Catalogue, load_catalogue
from cubes.errors import AnswerTooLarge, AnswerTooSlow, QueryError
from cubes.limits import Limits
from cubes.query import CubeQuery
from cubes.record_stream import (
    RecordStream,
    arrow_chunks,
    csv_chunks,
    stream_named_records,
    stream_query,
)  # fmt: skip
from cubes.scope import Scope
from cubes.warehouse import read_warehouse
from tests.cubes.conftest import BUSINESS_DATE, Ask

CUBE = """
cube: item
fact: item
time: {on: made_on}
dimensions: {name: {sql: name}, item: {sql: item_id}}
measures:
  items: {agg: count}
  weight: {agg: sum, sql: weight}
  pieces: {agg: sum, sql: pieces}
  share: {ratio: [pieces, items]}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Catalogue, duckdb.DuckDBPyConnection]]:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "item.yml").write_text(CUBE)
    with duckdb.connect() as connection:
        connection.execute(
            "create table item (item_id bigint, name varchar, made_on date, weight decimal(9, 3), "
            "pieces integer)"
        )
        yield load_catalogue([tmp_path]), connection


@contextmanager
def opened(
    shop: Any, measures: str, by: str, limits: Limits | None = None, **rest: Any
) -> Iterator[RecordStream]:
    catalogue, connection = shop
    query = CubeQuery.from_mapping({"cube": "item", "measures": measures, "by": by, **rest})
    with stream_query(
        catalogue, connection, query, scope=Scope.all(), business_date=None, language="zh",
        warehouse=read_warehouse(connection), limits=limits or Limits(),
    ) as stream:  # fmt: skip
        yield stream


def read_csv(stream: RecordStream) -> list[list[str]]:
    text = b"".join(csv_chunks(stream)).decode()
    return list(csv.reader(io.StringIO(text)))


def test_both_forms_hold_the_rows_of_the_query_exactly(
    ask: Ask, catalogue: Any, marts: Any
) -> None:
    expected = ask("sales", "revenue,order_lines,average_revenue", "org.l2,sold.day", totals="all")
    query = CubeQuery.from_mapping(
        {"cube": "sales", "measures": "revenue,order_lines,average_revenue",
         "by": "org.l2,sold.day", "totals": "all"}
    )  # fmt: skip
    for chunks in (arrow_chunks, csv_chunks):
        with stream_query(
            catalogue, marts, query, scope=Scope.all(), business_date=BUSINESS_DATE,
            language="zh", warehouse=read_warehouse(marts), limits=Limits(),
        ) as stream:  # fmt: skip
            content = b"".join(chunks(stream))
        if chunks is arrow_chunks:
            table = pyarrow.ipc.open_stream(content).read_all()
            assert table.to_pylist() == expected.rows
            assert [str(one) for one in table.schema.types][1:4] == [
                "date32[day]", "decimal128(38, 2)", "int64",
            ]  # fmt: skip
        else:
            lines = list(csv.reader(io.StringIO(content.decode())))
            assert lines[0] == [column.name for column in expected.columns]
            assert len(lines) == len(expected.rows) + 1
            assert lines[1][2] == str(expected.rows[0]["revenue"])


def test_a_text_that_a_spreadsheet_would_run_is_kept_from_it(shop: Any) -> None:
    names = [
        "=1+1",
        "+7",
        "-7",
        "@x",
        "\tx",
        "\n=1",
        "＝1",
        "plain",
        'a "b", c',
        "两行\n名",
        "",
        None,
    ]
    shop[1].executemany(
        "insert into item values (?, ?, '2026-01-01', -1.5, 2)", list(enumerate(names))
    )
    with opened(shop, "weight", "item,name") as stream:
        lines = read_csv(stream)[1:]
    assert [line[1] for line in lines] == [
        "'=1+1", "'+7", "'-7", "'@x", "'\tx", "'\n=1", "'＝1", "plain",
        'a "b", c', "两行\n名", "", "",
    ]  # fmt: skip
    assert {line[2] for line in lines} == {"-1.500"}
    with opened(shop, "weight", "item,name") as stream:
        table = pyarrow.ipc.open_stream(b"".join(arrow_chunks(stream))).read_all()
    assert table["name"].to_pylist() == names
    assert table["weight"].to_pylist() == [Decimal("-1.500")] * len(names)


def test_no_row_is_a_heading_alone(shop: Any) -> None:
    with opened(shop, "items,share", "name") as stream:
        assert read_csv(stream) == [["name", "items", "share"]]
    with opened(shop, "items", "name") as stream:
        table = pyarrow.ipc.open_stream(b"".join(arrow_chunks(stream))).read_all()
    assert table.num_rows == 0 and table.schema.names == ["name", "items"]


def test_millions_of_rows_are_read_in_parts_without_being_held(shop: Any) -> None:
    shop[1].execute("insert into item select i, null, '2026-01-01', 1, 1 from range(2000000) t(i)")
    largest = rows = 0
    with opened(shop, "items", "item", Limits.none(), order="item") as stream:
        for batch in stream.batches:
            rows += batch.num_rows
            largest = max(largest, batch.num_rows)
    assert rows == 2_000_000 and largest <= 50_000


def test_more_rows_than_the_limit_are_refused_after_them(shop: Any) -> None:
    shop[1].execute("insert into item select i, 'x', '2026-01-01', 1, 1 from range(120000) t(i)")
    read = 0
    with (
        pytest.raises(AnswerTooLarge, match="more than 100000 rows"),
        opened(shop, "items", "item", Limits(rows=100_000)) as stream,
    ):
        for batch in stream.batches:
            read += batch.num_rows
    assert read <= 100_000


def test_a_reader_that_is_too_slow_is_interrupted(shop: Any) -> None:
    shop[1].execute("insert into item select i, 'x', '2026-01-01', 1, 1 from range(3000) t(i)")
    shop[1].execute("set threads = 1")
    with (
        pytest.raises(AnswerTooSlow),
        opened(shop, "items", "item", Limits(seconds=0.001)) as stream,
    ):
        while True:
            # Reading goes on until the deadline has passed.
            for _ in stream.batches:
                pass
            shop[1].execute("select count(*) from range(100000000) a, range(10) b")


def test_a_whole_number_beyond_64_bits_is_refused_and_not_cut(shop: Any) -> None:
    shop[1].execute("insert into item values (1, 'x', '2026-01-01', 1, 1)")
    shop[1].execute("alter table item alter pieces type hugeint")
    shop[1].execute("update item set pieces = 9223372036854775808")
    with (
        pytest.raises(QueryError, match="too large for 64 bits"),
        opened(shop, "pieces", "name") as stream,
    ):
        list(stream.batches)


@pytest.mark.parametrize("name", ["case_figures", "sales_by_day", "arrears_by_unit"])
def test_saved_reports_of_every_kind_are_streamed(catalogue: Any, marts: Any, name: str) -> None:
    with stream_named_records(
        catalogue, marts, name, {}, scope=Scope.all(), business_date=date(2026, 3, 30),
        language="zh", warehouse=read_warehouse(marts),
    ) as stream:  # fmt: skip
        lines = read_csv(stream)
    assert len(lines) > 1 and "__id" not in lines[0][0]
