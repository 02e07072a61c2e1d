"""The product as its users meet it: the command line in a home of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipelines.settings import PROJECT_ROOT

SCALE = "0.2"


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """The environment without any setting of the machine, and with this home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUIYIN_")}
    return {**kept, "HUIYIN_HOME": str(home), **more}


@dataclass(frozen=True)
class Product:
    """The command line in a home of its own."""

    home: Path

    def run(self, *arguments: str, expect: int = 0, **environment: str) -> str:
        """Run `huiyin` as a child process and return its output."""
        finished = subprocess.run(
            [sys.executable, "-m", "pipelines.command_line", *arguments],
            cwd=PROJECT_ROOT,
            env=clean_environment(self.home, **environment),
            capture_output=True,
            text=True,
        )
        assert finished.returncode == expect, (
            f"{arguments} ended with {finished.returncode}, not {expect}:\n"
            f"{finished.stdout[-3000:]}\n{finished.stderr[-3000:]}"
        )
        return finished.stdout if expect == 0 else finished.stdout + finished.stderr

    def json(self, *arguments: str) -> Any:
        """Run a command with `--format json` and return what it printed."""
        return json.loads(self.run(*arguments, "--format", "json"))

    def snapshot(self) -> duckdb.DuckDBPyConnection:
        """The published warehouse, read-only."""
        path = self.home / "published" / "current" / "warehouse.duckdb"
        return duckdb.connect(str(path.resolve()), read_only=True)

    def copy(self, target: Path) -> Product:
        """The same home elsewhere."""
        shutil.copytree(self.home, target, symlinks=True)
        return Product(target)


def fingerprints(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, str]]:
    """Rows and an order-free checksum of every mart, without what names a build.

    Left out too is what the ledger says of the deliveries themselves: which file came after which,
    and when, is not the same for the same records in another order or at another time.
    """
    tables = connection.execute(
        "select table_name from information_schema.tables where table_schema = 'marts' "
        "and table_name not in ('build', 'build_batch', 'data_status', 'dim_source', "
        "'fct_batch', 'fct_exchange_event') order by 1"
    ).fetchall()
    found: dict[str, tuple[int, str]] = {}
    for (table,) in tables:
        row = connection.execute(
            f"select count(*), coalesce(sum(hash(t)::hugeint), 0)::varchar from marts.{table} as t"
        ).fetchone()
        assert row is not None
        found[table] = (row[0], row[1])
    return found
