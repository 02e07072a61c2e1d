"""Measures landing of files: `python -m tests.benchmarks.landing [--rows 5000000] [--quick]`.

A usage file of 8 columns, one of them pseudonymised, is landed whole (sha256, contract, repeated
keys, quarantine, sums, logs, Parquet made durable), in UTF-8 and in GB18030, each paired with the
engine's own typed `read_csv` with rejects stored into a table of a file; then files of 1 and 20
million rows for the memory, then 5,000 files of 100 rows. Every run is a process of its own and
takes only its own work into the time. Told are medians of 5, ratios and the highest memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb

from connectors.contract import SOURCES, Contract, load_contract
from connectors.landing import land_source
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore

NOW = datetime(2026, 3, 31, 1, 0, tzinfo=UTC)
PSEUDONYM_KEY = b"0123456789abcdef0123456789abcdef"
ENCRYPTION_KEY = b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
COLUMNS = {
    "usage_no": "VARCHAR",
    "customer_no": "VARCHAR",
    "caller_phone": "VARCHAR",
    "unit_code": "VARCHAR",
    "usage_type": "VARCHAR",
    "started_at": "TIMESTAMP",
    "duration_s": "BIGINT",
    "charge": "DECIMAL(18,2)",
}
BAD_EVERY = 1_000_000


def usage_rows(rows: int, chinese: bool) -> str:
    """SQL of usage records as texts: half a million callers, few faults of four kinds."""
    unit = "'H' || lpad((i * 31 % 400)::varchar, 4, '0')"
    if chinese:
        unit = "'营业厅' || lpad((i * 31 % 400)::varchar, 4, '0')"
    return f"""
        select
            'U20260330' || lpad((case when i % {BAD_EVERY} = 7 then i - 1 else i end)::varchar,
                9, '0') as usage_no,
            'C' || lpad((i * 7919 % 500000)::varchar, 8, '0') as customer_no,
            (13800000000 + i * 7919 % 500000)::varchar as caller_phone,
            {unit} as unit_code,
            case when i % {BAD_EVERY} = 17 then 'fax' else ['voice', 'sms', 'data'][1 + i % 3] end
                as usage_type,
            case when i % {BAD_EVERY} = 27 then '20260230000000' else strftime(timestamp
                '2026-03-30' + to_seconds(i * 12347 % 86400), '%Y%m%d%H%M%S') end as started_at,
            case when i % {BAD_EVERY} = 37 then '-1' else (hash(i) % 3600)::varchar end
                as duration_s,
            printf('%.2f', (hash(i + 7) % 5000) / 100.0) as charge
        from range({rows}) r(i)
    """


def make_file(path: Path, rows: int, encoding: str) -> str:
    """Write a usage file; returns the sum of its charges."""
    with duckdb.connect() as connection:
        sql = usage_rows(rows, chinese=encoding != "utf-8")
        connection.execute(
            f"copy ({sql}) to '{path}' (format csv, header true, delimiter ',', quote '')"
        )
        total = connection.execute(f"select sum(charge::decimal(18,2)) from ({sql})").fetchone()
    if encoding != "utf-8":
        recoded = path.with_suffix(".recoded")
        with (
            path.open(encoding="utf-8", newline="") as source,
            recoded.open("w", encoding=encoding, newline="") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
        recoded.replace(path)
    assert total is not None
    return str(total[0])


def send(path: Path, folder: Path, sequence: int, rows: int, total: str) -> None:
    """Put a file and its send log into a folder, as the partner would."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"usage_20260330_{sequence:04d}.txt"
    os.link(path, folder / name)
    body = {
        "file": name,
        "source": "cdr",
        "stream": "usage",
        "branch": "main",
        "business_date": "2026-03-30",
        "covers_from": "2026-03-30",
        "sequence": sequence,
        "rows": rows,
        "bytes": path.stat().st_size,
        "sha256": _sha256(path),
        "sums": {"charge": total},
        "sent_at": "2026-03-31T05:00:00+08:00",
    }
    (folder / f"{name}.send.log").write_text(json.dumps(body), encoding="utf-8")


def _sha256(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def contract(encoding: str) -> Contract:
    """The shipped contract of call detail records, with 8 columns and the given encoding."""
    shipped = load_contract(SOURCES / "cdr.yml")
    stream = shipped.streams["usage"]
    columns = {name: column for name, column in stream.columns.items() if name in COLUMNS}
    layout = shipped.layout.model_copy(update={"encoding": encoding})
    return shipped.model_copy(
        update={
            "file": layout,
            "streams": {"usage": stream.model_copy(update={"columns": columns})},
        }
    )


def land(home: Path, encoding: str) -> int:
    """Land what waits in a home; returns the rows that were loaded."""
    with (
        Ledger(home / "ledger.db") as ledger,
        PiiStore(
            home / "pii.db", pseudonym_key=PSEUDONYM_KEY, encryption_key=ENCRYPTION_KEY
        ) as pii,
    ):
        found = land_source(
            contract(encoding), home=home, ledger=ledger, pii=pii, now=NOW, zone="Asia/Shanghai"
        )
    wrong = [one for one in found if one.status != "loaded"]
    assert not wrong, wrong[:3]
    return sum(one.loaded for one in found)


def read_by_engine(path: Path, database: Path) -> int:
    """What is compared with: a typed read with rejects stored, into a table of a file."""
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            f"create table usage as select * from read_csv('{path}', columns={COLUMNS}, "
            "header=true, delim=',', quote='', escape='', auto_detect=false, "
            "timestampformat='%Y%m%d%H%M%S', store_rejects=true)"
        )
        row = connection.execute("select count(*) from usage").fetchone()
    assert row is not None
    return int(row[0])


def child(arguments: list[str]) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.landing", "--one", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(arguments: list[str]) -> None:
    """The body of a child: one piece of work, timed, with the memory of this process."""
    what, path, target = arguments[0], Path(arguments[1]), Path(arguments[2])
    before, processor = time.perf_counter(), time.process_time()
    if what == "land":
        rows = land(target, arguments[3])
    else:
        rows = read_by_engine(path, target / "usage.db")
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - before,
                "processor": time.process_time() - processor,
                "rows": rows,
                "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


class Bench:
    """Makes files once and homes per run, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[tuple[int, str], tuple[Path, str]] = {}

    def file(self, rows: int, encoding: str) -> tuple[Path, str]:
        """A usage file and its total, made once."""
        if (rows, encoding) not in self._files:
            path = self.folder / f"usage-{rows}-{encoding}.txt"
            self._files[rows, encoding] = path, make_file(path, rows, encoding)
        return self._files[rows, encoding]

    def land(self, rows: int, encoding: str) -> dict[str, Any]:
        """Land one file in a new home."""
        path, total = self.file(rows, encoding)
        home = Path(tempfile.mkdtemp(dir=self.folder))
        send(path, home / "exchange/cdr", 1, rows, total)
        found = child(["land", str(path), str(home), encoding])
        shutil.rmtree(home)
        return found

    def engine(self, rows: int) -> dict[str, Any]:
        """The comparison, on the file in UTF-8."""
        path, _ = self.file(rows, "utf-8")
        home = Path(tempfile.mkdtemp(dir=self.folder))
        found = child(["engine", str(path), str(home)])
        shutil.rmtree(home)
        return found

    def many(self, files: int, rows: int) -> dict[str, Any]:
        """Land many small files that wait together."""
        home = Path(tempfile.mkdtemp(dir=self.folder))
        for number in range(1, files + 1):
            path = home / f"{number}.txt"
            lines = [
                f"U{number:05d}{row:05d},C{row},13800000{row:03d},H0001,voice,20260330080000,60,0.10"
                for row in range(rows)
            ]
            path.write_text("\n".join([",".join(COLUMNS), *lines, ""]), encoding="utf-8")
            send(path, home / "exchange/cdr", number, rows, f"{rows / 10:.2f}")
            path.unlink()
        found = child(["land", str(home), str(home), "utf-8"])
        shutil.rmtree(home)
        return found


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, three runs")
    parser.add_argument("--only", choices=["speed", "memory", "files"], default=None)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--one", nargs="+", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.one)
        return
    runs = 3 if options.quick else 5
    part = 10 if options.quick else 1
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bench = Bench(Path(folder))
        if options.only in {None, "speed"}:
            _print_speed(bench, options.rows // part, runs)
        if options.only in {None, "memory"}:
            for rows in (1_000_000 // part, 20_000_000 // part):
                found = bench.land(rows, "utf-8")
                print(
                    f"memory  {rows:>10,} rows  {found['megabytes']:7.0f} MB peak  "
                    f"{found['seconds']:6.2f} s"
                )
        if options.only in {None, "files"}:
            count = 5_000 // part
            rates = [count / bench.many(count, 100)["seconds"] for _ in range(1 if part > 1 else 3)]
            print(f"files   {count:>10,} of 100 rows  {statistics.median(rates):.0f} files/s")


def _print_speed(bench: Bench, rows: int, runs: int) -> None:
    found: dict[str, list[dict[str, Any]]] = {"engine": [], "utf-8": [], "gb18030": []}
    for encoding in ("utf-8", "gb18030"):
        bench.file(rows, encoding)
    for _ in range(runs):
        found["engine"].append(bench.engine(rows))
        found["utf-8"].append(bench.land(rows, "utf-8"))
        found["gb18030"].append(bench.land(rows, "gb18030"))
    base = statistics.median(one["seconds"] for one in found["engine"])
    for name, measured in found.items():
        seconds = statistics.median(one["seconds"] for one in measured)
        paired = statistics.median(
            one["seconds"] / other["seconds"]
            for one, other in zip(measured, found["engine"], strict=True)
        )
        print(
            f"{name:8s} {rows:>10,} rows  {seconds:6.2f} s  {seconds / base:5.2f} times  "
            f"(paired {paired:.2f})  processor "
            f"{statistics.median(one['processor'] for one in measured):6.2f} s  "
            f"{max(one['megabytes'] for one in measured):5.0f} MB"
        )


if __name__ == "__main__":
    main()
