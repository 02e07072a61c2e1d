"""A small simulated home, and what a careful reader of its interfaces finds there."""

import csv
import hashlib
import io
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest

from connectors.simulator import Truth, simulate
from tests.connectors.simulator.case_reading import Reading, read_cases
from tests.connectors.simulator.channel_reading import Channels, read_channels

SEED, SCALE = 11, 0.05
CONTROL = {"bills": "amount", "payments": "amount", "usage": "charge"}
REQUIRED = {
    "bills": ("bill_no", "amount"),
    "payments": ("payment_no", "amount", "paid_at"),
    "cases": ("case_no", "created_at"),
    "events": ("event_no", "case_no", "event_code", "event_at"),
    "usage": ("usage_no", "charge"),
    "accounts": ("account_no", "holder_name"),
}
TIMES = {
    "billed_at": "%Y%m%d%H%M%S",
    "paid_at": "%Y%m%d%H%M%S",
    "started_at": "%Y%m%d%H%M%S",
    "created_at": "%Y-%m-%d %H:%M:%S",
    "event_at": "%Y-%m-%d %H:%M:%S",
    "limit_at": "%Y-%m-%d %H:%M:%S",
}
Row = dict[str, Any]


@dataclass
class File:
    """One data file as it lies there."""

    path: Path
    header: list[str]
    records: list[list[str]]
    log: dict[str, Any] | None

    @property
    def stream(self) -> str:
        return self.path.name.split("_")[0]

    def good_rows(self) -> list[Row]:
        return [row for row in (self._row(record) for record in self.records) if row]

    def _row(self, record: list[str]) -> Row | None:
        if len(record) != len(self.header):
            return None
        row: Row = dict(zip(self.header, record, strict=True))
        if any(not row[name] for name in REQUIRED[self.stream]):
            return None
        try:
            for name, form in TIMES.items():
                if row.get(name):
                    row[name] = datetime.strptime(row[name], form)  # noqa: DTZ007
            for name in ("amount", "charge"):
                if name in row:
                    row[name] = Decimal(row[name])
            for name in ("score", "duration_s"):
                if row.get(name):
                    row[name] = int(row[name])
        except (ValueError, InvalidOperation):
            return None
        return row

    def counted_sum(self) -> Decimal | None:
        name = CONTROL.get(self.stream)
        if name is None:
            return None
        return sum((row[name] for row in self.good_rows()), Decimal(0))

    def agrees(self) -> bool:
        if self.log is None:
            return False
        data = self.path.read_bytes()
        total = self.counted_sum()
        declared = self.log["sums"].get(CONTROL.get(self.stream, ""))
        return (
            self.log["file"] == self.path.name
            and self.log["bytes"] == len(data)
            and self.log["sha256"] == hashlib.sha256(data).hexdigest()
            and self.log["rows"] == len(self.records)
            and (total is None or Decimal(declared) == total)
        )


@dataclass
class Landed:
    """Rows of the files that agree with their logs, each content once, and the flag tables.

    The cases and events of the other channels stand among those of the hotline.
    """

    files: list[File]
    rows: dict[str, list[Row]] = field(default_factory=dict)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    parent: dict[str, str] = field(default_factory=dict)
    name: dict[str, str] = field(default_factory=dict)

    def prefecture(self, unit_code: str) -> str:
        """The name of the prefecture, empty for the province itself."""
        if unit_code == "SC":
            return ""
        while self.parent[unit_code] != "SC":
            unit_code = self.parent[unit_code]
        return self.name[unit_code]

    def current(self, table: str, key: str) -> dict[str, Row]:
        found: dict[str, Row] = {}
        for row in self.tables[table]:
            found[row[key]] = row
        return found


def read_files(home: Path) -> Iterator[File]:
    for path in sorted((home / "exchange").rglob("*.txt")):
        encoding = "gb18030" if path.parts[-2] == "billing" else "utf-8"
        text = path.read_bytes().decode(encoding)
        delimiter = "|" if path.parts[-2] == "billing" else ","
        records = list(csv.reader(io.StringIO(text), delimiter=delimiter))
        log = path.with_name(path.name + ".send.log")
        content = json.loads(log.read_text(encoding="utf-8")) if log.exists() else None
        yield File(path, records[0], records[1:], content)


def read_table(database: Path, table: str) -> list[Row]:
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    rows = [dict(r) for r in connection.execute(f"select * from {table} order by ifc_seq")]
    connection.close()
    return rows


def land(home: Path) -> Landed:
    landed = Landed(list(read_files(home)))
    seen: set[str] = set()
    for file in landed.files:
        if file.log is not None and file.agrees() and file.log["sha256"] not in seen:
            if file.records:
                seen.add(file.log["sha256"])
            landed.rows.setdefault(file.stream, []).extend(file.good_rows())
    for matter in read_channels(home).matters:
        landed.rows["cases"].append(
            {"case_no": matter.case_no, "created_at": matter.created,
             "kind_code": matter.kind, "unit_code": matter.unit_code,
             "channel_code": matter.source}
        )  # fmt: skip
        landed.rows["events"] += [
            {"case_no": matter.case_no, "event_code": s.code, "event_at": s.at,
             "actor_role": s.role, "is_automatic": str(int(s.automatic))}
            for s in matter.steps
        ]  # fmt: skip
    for database, tables in (
        ("crm.db", ("units", "staff", "customers")),
        ("hall.db", ("products", "orders", "buyers")),
    ):
        for table in tables:
            landed.tables[table] = read_table(home / "simulator" / database, f"ifc_{table}")
    landed.parent = {r["unit_code"]: r["parent_code"] for r in landed.tables["units"]}
    landed.name = {r["unit_code"]: r["unit_name"] for r in landed.tables["units"]}
    return landed


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """A home nobody may change, and the truth about it."""
    home = tmp_path_factory.mktemp("simulated")
    return home, simulate(home, seed=SEED, scale=SCALE)


@pytest.fixture(scope="session")
def home(simulated: tuple[Path, Truth]) -> Path:
    return simulated[0]


@pytest.fixture(scope="session")
def truth(simulated: tuple[Path, Truth]) -> Truth:
    return simulated[1]


@pytest.fixture(scope="session")
def landed(home: Path) -> Landed:
    return land(home)


@pytest.fixture(scope="session")
def cases(landed: Landed) -> list[Reading]:
    """The cases of all channels with their events, in no particular order."""
    return read_cases(landed.rows)


@pytest.fixture(scope="session")
def channels(home: Path) -> Channels:
    return read_channels(home)


@pytest.fixture(scope="session")
def land_home() -> Any:
    """The reader itself, for homes a test makes."""
    return land
