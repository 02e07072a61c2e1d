"""What the compiler must know of a database: its tables, columns and organisation levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlglot import exp

from cubes.aggregate import AGGREGATE_SCHEMA
from cubes.label import Label
from cubes.sql import identifier

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class OrgLevel:
    """One row of table org_level: position from 1 (coarsest), name and labels."""

    level: int
    name: str
    label: Label


@dataclass(frozen=True, eq=False)
class Warehouse:
    """Names of one database; the same content is the same object, so it can key a cache.

    `schema` is "marts" where that schema exists, else "main"; `tables` maps a table's name to its
    columns' types as DuckDB writes them. Aggregates are among them, with their schema before the
    name, and `aggregate_rows` tells how many rows each has.
    """

    schema: str
    tables: Mapping[str, Mapping[str, str]]
    org_levels: tuple[OrgLevel, ...]
    aggregate_rows: Mapping[str, int] = field(default_factory=dict)

    def table(self, name: str, alias: str | None = None) -> exp.Table:
        """A reference to a table in two parts, so that the file can be copied.

        A name with a dot brings its own schema.
        """
        schema, _, plain = name.rpartition(".")
        table = exp.Table(this=identifier(plain), db=identifier(schema or self.schema))
        if alias is not None:
            table.set("alias", exp.TableAlias(this=identifier(alias)))
        return table

    def column_type(self, table: str, column: str) -> str | None:
        """The column's type, or None when the table or column is unknown."""
        return self.tables.get(table, {}).get(column)


def read_warehouse(connection: duckdb.DuckDBPyConnection) -> Warehouse:
    """Read the catalogue of the connection's current database."""
    rows = connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and not internal "
        "and schema_name in ('marts', 'main', $aggregate) "
        "order by schema_name, table_name, column_index",
        {"aggregate": AGGREGATE_SCHEMA},
    ).fetchall()
    schema = "marts" if any(row[0] == "marts" for row in rows) else "main"
    columns = tuple((row[1], row[2], row[3]) for row in rows if row[0] == schema) + tuple(
        (f"{row[0]}.{row[1]}", row[2], row[3]) for row in rows if row[0] == AGGREGATE_SCHEMA
    )
    counted: tuple[tuple[str, int], ...] = ()
    if any(row[0] == AGGREGATE_SCHEMA for row in rows):
        counted = tuple(
            connection.execute(
                "select schema_name || '.' || table_name, estimated_size from duckdb_tables() "
                "where database_name = current_database() and schema_name = $aggregate "
                "order by table_name",
                {"aggregate": AGGREGATE_SCHEMA},
            ).fetchall()
        )
    levels: tuple[tuple[int, str, str | None, str | None], ...] = ()
    if any(row[0] == "org_level" for row in columns):
        levels = tuple(
            connection.execute(
                f"select level, name, label_zh, label_en from {schema}.org_level order by level"
            ).fetchall()
        )
    return _warehouse(schema, columns, levels, counted)


@lru_cache(maxsize=64)
def _warehouse(
    schema: str,
    columns: tuple[tuple[str, str, str], ...],
    levels: tuple[tuple[int, str, str | None, str | None], ...],
    counted: tuple[tuple[str, int], ...],
) -> Warehouse:
    tables: dict[str, dict[str, str]] = {}
    for table, column, data_type in columns:
        tables.setdefault(table, {})[column] = data_type
    org_levels = tuple(
        OrgLevel(level, name, Label(zh=zh or en or name, en=en or zh or name))
        for level, name, zh, en in levels
    )
    return Warehouse(schema, tables, org_levels, dict(counted))
