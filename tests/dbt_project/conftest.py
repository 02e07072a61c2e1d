"""A home with hand-made raw tables, and dbt run over it in this process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"

TECHNICAL = (
    "_batch_id varchar, _record_no bigint, _business_date date, _recorded_at timestamp, _op varchar"
)
RAW_TABLES = {
    "crm__units": "unit_code varchar, unit_name varchar, unit_name_en varchar, "
    "parent_code varchar, level_no integer, unit_type varchar, opened_on date, closed_on date",
    "crm__staff": "staff_no varchar, name varchar, phone varchar, position varchar, "
    "unit_code varchar, status varchar, joined_on date, left_on date",
    "crm__customers": "customer_no varchar, phone varchar, unit_code varchar, manager_no varchar, "
    "segment varchar, joined_on date, left_on date",
    "hall__products": "product_code varchar, product_name varchar, product_name_en varchar, "
    "family varchar",
    "hall__orders": "order_line_no varchar, order_no varchar, customer_no varchar, "
    "unit_code varchar, product_code varchar, staff_no varchar, order_type varchar, "
    "quantity integer, amount decimal(18, 2), ordered_at timestamp",
    "billing__bills": "bill_no varchar, customer_no varchar, unit_code varchar, "
    "billing_month varchar, billed_at timestamp, due_on date, amount decimal(18, 2)",
    "billing__payments": "payment_no varchar, customer_no varchar, customer_phone varchar, "
    "amount decimal(18, 2), paid_at timestamp, method varchar",
    "hotline__cases": "case_no varchar, created_at timestamp, customer_no varchar, "
    "caller_phone varchar, kind_code varchar, category_path varchar, channel_code varchar, "
    "unit_code varchar, urgency_code varchar, content varchar",
    "hotline__events": "event_no varchar, case_no varchar, event_code varchar, "
    "event_at timestamp, actor_no varchar, actor_role varchar, is_automatic boolean, "
    "holder_unit_code varchar, status_code varchar, score integer, content varchar",
    "intake__cases": "case_no varchar, source_seq bigint, received_at timestamp, "
    "created_at timestamp, created_precision varchar, kind varchar, category_path varchar, "
    "channel varchar, org_unit_id varchar, reporter_key varchar, content varchar, "
    "answers varchar, language varchar, entry_point varchar, form varchar, recorded_by varchar, "
    "promised_due_at timestamp, promised_policy varchar, is_flood boolean",
    "intake__events": "event_no varchar, case_no varchar, source_seq bigint, "
    "received_at timestamp, event_type varchar, event_at timestamp, actor_id varchar, "
    "actor_role varchar, unit_id varchar, content varchar",
    "cdr__usage": "usage_no varchar, customer_no varchar, caller_phone varchar, "
    "unit_code varchar, usage_type varchar, started_at timestamp, duration_s bigint, "
    "bytes bigint, charge decimal(18, 2)",
    "flat_case": "source varchar, case_no varchar, created_at timestamp, "
    "created_precision varchar, first_reply_at timestamp, resolved_at timestamp, "
    "closed_at timestamp, due_at timestamp, kind varchar, category_path varchar, "
    "channel varchar, org_path varchar, status varchar, score integer, text varchar, "
    "attributes varchar, date_flag varchar",
}
BUILD_TABLES = {
    "build": "build_id varchar, as_of timestamp, business_date date, zone varchar, "
    "calendar_id varchar, currency varchar, known_at timestamp",
    "analyst_position": "position varchar",
    "analyst_duty": "account_id varchar, org_unit_id varchar",
    "batch": "batch_id varchar, source varchar, stream varchar, branch varchar, "
    "business_date date, covers_from date, rows bigint, rejected bigint, received_at timestamp, "
    "loaded_at timestamp, change varchar",
    "touched_day": "source varchar, stream varchar, business_date date",
    "touched_case": "source varchar, case_no varchar",
    "org_level": "level integer, name varchar, label_zh varchar, label_en varchar",
    "source_setting": "source varchar, label_zh varchar, label_en varchar, shape varchar, "
    "zone varchar, calendar_id varchar, currency varchar",
}
# Tables in which a record may be sent again, with its key; raw keeps every version.
RAW_KEYS = {
    "hall__orders": "order_line_no",
    "billing__bills": "bill_no",
    "billing__payments": "payment_no",
    "cdr__usage": "usage_no",
    "hotline__cases": "case_no",
    "hotline__events": "event_no",
    "intake__cases": "case_no",
    "intake__events": "event_no",
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
            for name, columns in RAW_TABLES.items():
                connection.execute(f"create table raw.{name} ({columns}, {TECHNICAL})")
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
        source, stream = table.split("__")
        key = RAW_KEYS.get(table)
        # The days and cases of all versions of a delivered record, as the build derives them.
        versions = f"from raw.{table} where _batch_id = ?" + (
            f" or {key} in (select {key} from raw.{table} where _batch_id = ?)" if key else ""
        )
        batches = [batch, batch] if key else [batch]
        connection.execute(
            f"insert into raw.touched_day "
            f"select distinct '{source}', '{stream}', _business_date {versions}",
            batches,
        )
        if source in {"hotline", "intake"}:
            connection.execute(
                f"insert into raw.touched_case select distinct '{source}', case_no {versions}",
                batches,
            )

    def dbt(self, command: str = "build", *arguments: str) -> list[tuple[str, str]]:
        """Run dbt; return (name, status) of what did not succeed, and fail on a crash."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.adapters.factory import reset_adapters
        from dbt.cli.main import dbtRunner

        os.environ["HUIYIN_WAREHOUSE_PATH"] = str(self.warehouse)
        os.environ["HUIYIN_WORK_PATH"] = str(self.work)
        try:
            result = dbtRunner().invoke(
                [
                    command,
                    "--project-dir",
                    str(PROJECT),
                    "--profiles-dir",
                    str(PROJECT),
                    "--target-path",
                    str(self.folder / "target"),
                    "--log-path",
                    str(self.folder / "logs"),
                    "--quiet",
                    *arguments,
                ]
            )
        finally:
            DuckDBConnectionManager.close_all_connections()
            reset_adapters()
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
