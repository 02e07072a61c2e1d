"""The rows of `tests.benchmarks.landing` through dlt and pandas, for the record.

`uv run --group bench python -m tests.benchmarks.landing_peers [--rows 5000000] [--runs 1]`: dlt is
in the dependency group `bench`, apart from what the product needs. Both only load: dlt reads the
file as Arrow tables into a DuckDB file, pandas reads it typed with Arrow's engine and writes
Parquet; neither checks a contract, keeps rejects, replaces personal values or counts sums. A peer
that is not installed is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.landing import COLUMNS, make_file


def by_dlt(path: Path, target: Path) -> int:
    """Load with dlt into a DuckDB file."""
    import dlt
    import pyarrow as pa
    from pyarrow import csv

    def tables() -> Iterator[Any]:
        options = csv.ConvertOptions(
            column_types={"charge": pa.decimal128(18, 2), "started_at": pa.string()}
        )
        with csv.open_csv(path, convert_options=options) as reader:
            yield from reader

    pipeline = dlt.pipeline(
        "usage",
        destination=dlt.destinations.duckdb(str(target / "usage.duckdb")),
        dataset_name="raw",
        pipelines_dir=str(target / "pipelines"),
    )
    pipeline.run(dlt.resource(tables, name="usage"), loader_file_format="parquet")
    with pipeline.sql_client() as client:
        (row,) = client.execute_sql("select count(*) from usage")
    return int(row[0])


def by_pandas(path: Path, target: Path) -> int:
    """Read typed with pandas, put what cannot be typed to null, write Parquet."""
    import pandas as pd

    texts = [name for name, kind in COLUMNS.items() if kind == "VARCHAR" or name == "started_at"]
    frame = pd.read_csv(path, dtype=dict.fromkeys(texts, "string"), engine="pyarrow")
    frame["started_at"] = pd.to_datetime(
        frame["started_at"], format="%Y%m%d%H%M%S", errors="coerce"
    )
    frame.to_parquet(target / "usage.parquet", compression="zstd")
    return len(frame)


PEERS: dict[str, Callable[[Path, Path], int]] = {"dlt": by_dlt, "pandas": by_pandas}


def measure(peer: str, path: Path, target: Path) -> None:
    """The body of a child process: one load, timed, with its memory."""
    before = time.perf_counter()
    rows = PEERS[peer](path, target)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - before,
                "rows": rows,
                "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def main() -> None:
    """Load the same file with each peer, each run in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--one", nargs=3, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        peer, path, target = options.one
        measure(peer, Path(path), Path(target))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "usage.txt"
        make_file(path, options.rows, "utf-8")
        for peer in PEERS:
            if importlib.util.find_spec(peer) is None:
                print(f"{peer:8s} is not installed")
                continue
            found = [_load(peer, path, Path(folder)) for _ in range(options.runs)]
            print(
                f"{peer:8s} {found[0]['rows']:>10,} rows  "
                f"{statistics.median(one['seconds'] for one in found):6.2f} s  "
                f"{max(one['megabytes'] for one in found):5.0f} MB"
            )


def _load(peer: str, path: Path, folder: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as target:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.benchmarks.landing_peers",
                "--one",
                peer,
                str(path),
                target,
            ],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"RUNTIME__DLTHUB_TELEMETRY": "false"},
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
