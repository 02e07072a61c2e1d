"""What a build derives as touched: the days and cases of all versions of a changed record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb

from connectors.contract import load_contracts, raw_columns
from pipelines.raw_streams import write_streams, write_touched

SOURCES = Path(__file__).resolve().parents[2] / "connectors" / "sources"


def test_a_record_sent_again_touches_the_day_and_case_of_its_earlier_version(
    tmp_path: Path,
) -> None:
    contracts = {"hotline": load_contracts([SOURCES], chosen=["hotline"])["hotline"]}
    columns = raw_columns(contracts["hotline"].streams["events"])
    typed = ", ".join(f'null::{kind} as "{name}"' for name, kind in columns.items())

    def batch(number: str, rows: Sequence[tuple[str, str, str]]) -> Any:
        values = ", ".join(f"('{event}', '{case}', date '{day}')" for event, case, day in rows)
        with duckdb.connect() as connection:
            connection.execute(
                f"copy (select {typed} where false union all by name "
                f"from (values {values}) as t(event_no, case_no, _business_date)) "
                f"to '{tmp_path}/{number}.parquet' (format parquet)"
            )
        return SimpleNamespace(
            batch_id=number,
            source="hotline",
            stream="events",
            business_date=date(2026, 3, 10),
            path=f"{number}.parquet",
        )

    first = batch("1", [("E1", "T1", "2026-03-02"), ("E2", "T2", "2026-03-03")])
    again = batch("2", [("E1", "T9", "2026-03-09")])
    with duckdb.connect() as work:
        work.execute("create schema raw")
        write_streams(work, contracts, [first, again], tmp_path)
        write_touched(work, contracts, [again], [], tmp_path)
        days = work.execute(
            "select business_date from raw.touched_day where stream = 'events' order by 1"
        ).fetchall()
        cases = work.execute("select case_no from raw.touched_case order by 1").fetchall()
    assert days == [(date(2026, 3, 2),), (date(2026, 3, 9),)]
    assert cases == [("T1",), ("T9",)]
