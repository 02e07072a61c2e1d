"""A home with hand-made raw tables, and dbt run over it in this process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from connectors.case_mapping import FLAT_CASE_STREAM
from connectors.contract import SOURCES, Stream, load_contracts, raw_columns
from cubes.rule_table import RULE_TABLES
from pipelines.build_manifest import parsed_project

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"

CONTRACTS = load_contracts([SOURCES])
STREAMS = {
    f"{source}__{name}": stream
    for source, contract in CONTRACTS.items()
    for name, stream in contract.streams.items()
}
BUILD_TABLES = {
    "build": "build_id varchar, as_of timestamp, business_date date, zone varchar, "
    "calendar_id varchar, currency varchar, known_at timestamp",
    "analyst_position": "position varchar",
    "analyst_duty": "account_id varchar, org_unit_id varchar",
    "batch": "batch_id varchar, source varchar, stream varchar, branch varchar, "
    "business_date date, covers_from date, rows bigint, rejected bigint, received_at timestamp, "
    "loaded_at timestamp, change varchar, sequence integer",
    "delivery": "batch_id varchar, source varchar, stream varchar, branch varchar, "
    "interface varchar, business_date date, covers_from date, sequence integer, status varchar, "
    "code varchar, rows bigint, rows_loaded bigint, rejected bigint, supersedes varchar, "
    "replays varchar, received_at timestamp, loaded_at timestamp",
    "exchange_event": "event_id bigint, code varchar, source varchar, stream varchar, "
    "branch varchar, business_date date, batch_id varchar, noted_at timestamp, "
    "settled_at timestamp",
    "exchange_code": "code varchar, label_zh varchar, label_en varchar, hint_zh varchar, "
    "hint_en varchar, severity varchar",
    "touched_day": "source varchar, stream varchar, business_date date",
    "touched_case": "source varchar, case_no varchar",
    "org_level": "level integer, name varchar, label_zh varchar, label_en varchar",
    "source_setting": "source varchar, label_zh varchar, label_en varchar, shape varchar, "
    "zone varchar, calendar_id varchar, currency varchar",
    **{
        f"operator_{table}": "".join(f"{column} varchar, " for column in columns)
        + "row_no integer, recorded_at timestamp"
        for table, columns in RULE_TABLES.items()
    },
}
Row = Mapping[str, Any]
# Raw tables and marts hold instants as naive UTC.
FIRST_ARRIVAL = datetime(2026, 1, 1)  # noqa: DTZ001


class RawHome:
    """The two DuckDB files of a home; rows are put into `raw` by hand, dbt builds the rest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work.duckdb"
        self.warehouse = folder / "warehouse.duckdb"
        with duckdb.connect(str(self.work)) as connection:
            connection.execute("create schema raw")
            flat_case = Stream.model_validate(FLAT_CASE_STREAM)
            for name, stream in (STREAMS | {"flat_case": flat_case}).items():
                columns = ", ".join(f"{c} {kind}" for c, kind in raw_columns(stream).items())
                connection.execute(f"create table raw.{name} ({columns})")
            connection.execute("alter table raw.flat_case add column source varchar")
            for name, columns in BUILD_TABLES.items():
                connection.execute(f"create table raw.{name} ({columns})")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run one statement on the work file."""
        with duckdb.connect(str(self.work)) as connection:
            connection.execute(sql, list(parameters))

    def set_build(
        self,
        as_of: datetime,
        business_date: date,
        zone: str = "Asia/Shanghai",
        calendar_id: str = "china",
        currency: str = "CNY",
    ) -> None:
        """Say what the build speaks of; `as_of` is naive UTC. Nothing is touched yet."""
        with duckdb.connect(str(self.work)) as connection:
            connection.execute("delete from raw.build")
            connection.execute("delete from raw.touched_day")
            connection.execute("delete from raw.touched_case")
            connection.execute(
                "insert into raw.build values ('b', ?, ?, ?, ?, ?, null)",
                [as_of, business_date, zone, calendar_id, currency],
            )

    def add(
        self,
        table: str,
        rows: Sequence[Row],
        *,
        day: str | None = None,
        batch: str = "b1",
        recorded: datetime = FIRST_ARRIVAL,
    ) -> None:
        """Append rows of one delivery, with `_business_date` from the column `day`; touch them."""
        with duckdb.connect(str(self.work)) as connection:
            statements: dict[str, list[Any]] = {}
            for number, row in enumerate(rows, start=1):
                values: dict[str, Any] = {
                    "_batch_id": batch,
                    "_record_no": number,
                    "_recorded_at": recorded,
                    "_op": "I",
                    **row,
                }
                names = ", ".join(values)
                statements.setdefault(names, []).append(list(values.values()))
            for names, records in statements.items():
                marks = ", ".join("(" + ", ".join("?" for _ in row) + ")" for row in records)
                connection.execute(
                    f"insert into raw.{table} ({names}) values {marks}",
                    [value for row in records for value in row],
                )
            if day:
                connection.execute(
                    f"update raw.{table} set _business_date = "
                    f"cast(cast({day} as timestamp) + interval 8 hour as date) "
                    "where _business_date is null"
                )
            self._touch(connection, table, batch)

    def withdraw(self, table: str, batch: str) -> None:
        """Take a batch out of the frozen list; what it held is touched."""
        with duckdb.connect(str(self.work)) as connection:
            self._touch(connection, table, batch)
            connection.execute(f"delete from raw.{table} where _batch_id = ?", [batch])

    def _touch(self, connection: duckdb.DuckDBPyConnection, table: str, batch: str) -> None:
        if table == "flat_case":
            connection.execute(
                "insert into raw.touched_case select distinct source, case_no from raw.flat_case "
                "where _batch_id = ?",
                [batch],
            )
            return
        source, name = table.split("__")
        stream = STREAMS[table]
        key = ", ".join(stream.key)
        # The days and cases of all versions of a delivered record, as the build derives them.
        versions = (
            f"from raw.{table} where ({key}) in "
            f"(select ({key}) from raw.{table} where _batch_id = ?)"
        )
        connection.execute(
            f"insert into raw.touched_day select distinct '{source}', '{name}', _business_date "
            f"{versions} and _business_date is not null",
            [batch],
        )
        if stream.case_key:
            connection.execute(
                f"insert into raw.touched_case select distinct '{source}', {stream.case_key} "
                f"{versions} and {stream.case_key} is not null",
                [batch],
            )

    def dbt(self, command: str = "build", *arguments: str) -> list[tuple[str, str]]:
        """Run dbt; return (name, status) of what did not succeed, and fail on a crash."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.adapters.factory import reset_adapters
        from dbt.cli.main import dbtRunner

        target, none_of_site = self.folder / "target", self.folder / "site_models"
        target.mkdir(exist_ok=True)
        told = {"HUIYIN_WAREHOUSE_PATH": str(self.warehouse), "HUIYIN_WORK_PATH": str(self.work)}
        before = dict(os.environ)
        os.environ.update(told)
        try:
            with parsed_project(PROJECT, target, none_of_site) as manifest:
                result = dbtRunner(manifest=manifest).invoke(
                    [
                        command,
                        "--project-dir",
                        str(PROJECT),
                        "--profiles-dir",
                        str(PROJECT),
                        "--target-path",
                        str(target),
                        "--log-path",
                        str(self.folder / "logs"),
                        "--quiet",
                        "--no-write-json",
                        "--log-level",
                        "none",
                        "--log-level-file",
                        "info",
                        *arguments,
                    ]
                )
        finally:
            DuckDBConnectionManager.close_all_connections()
            reset_adapters()
            for name in told:
                # Other tests of this process run commands, which refuse unknown settings.
                os.environ.pop(name)
                if name in before:
                    os.environ[name] = before[name]
        if result.exception is not None:
            raise result.exception
        return [
            (node.node.name, f"{node.status}: {node.message}")
            for node in result.result
            if node.status not in ("success", "pass")
        ]

    def build(self, *arguments: str) -> list[tuple[str, str]]:
        """Seed, run and test as the product does: all but the unit tests."""
        return self.dbt("build", "--exclude-resource-type", "unit_test", *arguments)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query on the warehouse, as mappings."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def marts(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every mart with all its rows, sorted."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            names = connection.execute(
                "select table_name from information_schema.tables where table_schema = 'marts'"
            ).fetchall()
            return {
                name: connection.execute(f"select * from marts.{name} order by all").fetchall()
                for (name,) in sorted(names)
            }
