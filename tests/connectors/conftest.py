"""A home with a small agreed source of files and one of flag tables."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from connectors.contract import Contract, load_contracts
from connectors.landing import Delivery, land_source
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from tests.peers.databases import Peer, database_peer

NOW = datetime(2026, 3, 31, 1, 0, tzinfo=UTC)
PSEUDONYM_KEY = b"0123456789abcdef0123456789abcdef"
ENCRYPTION_KEY = b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

SHOP: dict[str, Any] = {
    "source": "shop",
    "label": {"zh": "店", "en": "Shop"},
    "owner": "tests",
    "interface": {"type": "files", "format": "delimited", "location": "exchange/shop"},
    "file": {"delimiter": "|", "encoding": "gb18030", "header": True},
    "zone": "Asia/Shanghai",
    "streams": {
        "sales": {
            "label": {"zh": "销售", "en": "Sales"},
            "grain": "one row per sale",
            "key": ["sale_no"],
            "business_date_from": "sold_at",
            "columns": {
                "sale_no": {"type": "string", "required": True},
                "phone": {"type": "string", "pii": "phone", "reveal": True},
                "amount": {"type": "decimal(18,2)", "required": True, "min": 0},
                "sold_at": {"type": "timestamp", "required": True, "format": "%Y%m%d%H%M%S"},
                "note": {"type": "string", "scrub": True},
            },
            "control": {"rows": True, "sums": ["amount"]},
            "reject_limit": {"rows": 2, "share": 0},
        }
    },
}
HEADER = "sale_no|phone|amount|sold_at|note"


def load_one(folder: Path, declaration: dict[str, Any]) -> Contract:
    folder.mkdir(parents=True, exist_ok=True)
    name = declaration["source"]
    text = yaml.safe_dump(declaration, allow_unicode=True)
    (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return load_contracts([folder])[name]


def row(
    number: int,
    *,
    amount: str = "10.00",
    phone: str = "13800001111",
    note: str = "好",
    at: str = "20260330080000",
) -> str:
    return f"S{number}|{phone}|{amount}|{at}|{note}"


@dataclass
class Home:
    path: Path
    contract: Contract
    ledger: Ledger
    pii: PiiStore
    at: Callable[[str], None] = field(default=lambda step: None)

    @property
    def folder(self) -> Path:
        return self.path / "exchange/shop"

    row = staticmethod(row)
    now = NOW
    pseudonym_key = PSEUDONYM_KEY.decode()
    encryption_key = ENCRYPTION_KEY.decode()

    def send(
        self,
        lines: list[str],
        *,
        sequence: int = 1,
        amount: str | None = None,
        day: str = "2026-03-30",
        name: str | None = None,
        **changes: Any,
    ) -> Path:
        """Deliver lines as the sender would; `changes` make its log lie."""
        name = name or f"sales_{day.replace('-', '')}_{sequence:04d}.txt"
        body = "".join(f"{line}\n" for line in [HEADER, *lines]).encode("gb18030")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(body)
        log = {
            "file": name,
            "source": "shop",
            "stream": "sales",
            "branch": "main",
            "business_date": day,
            "covers_from": day,
            "sequence": sequence,
            "rows": len(lines),
            "bytes": len(body),
            "sha256": sha256(body).hexdigest(),
            "sums": {"amount": amount or f"{sum(10 for _ in lines)}.00"},
            "sent_at": "2026-03-31T05:00:00+08:00",
        } | changes
        (self.folder / f"{name}.send.log").write_text(json.dumps(log), encoding="utf-8")
        return self.folder / name

    def land(self) -> list[Delivery]:
        return land_source(
            self.contract,
            home=self.path,
            ledger=self.ledger,
            pii=self.pii,
            now=NOW,
            zone="Asia/Shanghai",
            at=self.at,
        )

    def read_log(self, path: Path) -> dict[str, Any]:
        found = [
            path.parent / f"{path.name}.read.log",
            path.parent / "archive" / f"{path.name}.read.log",
        ]
        read: dict[str, Any] = json.loads(next(one for one in found if one.exists()).read_text())
        return read

    def rows(self, columns: str = "*") -> list[tuple[Any, ...]]:
        """Rows of all loaded batches, as a build would see them."""
        paths = [str(self.path / (batch.path or "")) for batch in self.ledger.loaded_batches()]
        if not paths:
            return []
        return duckdb.sql(f"select {columns} from read_parquet({paths}) order by all").fetchall()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    contract = load_one(tmp_path / "sources", SHOP)
    with (
        Ledger(tmp_path / "ledger.db") as ledger,
        PiiStore(
            tmp_path / "pii.db", pseudonym_key=PSEUDONYM_KEY, encryption_key=ENCRYPTION_KEY
        ) as pii,
    ):
        yield Home(tmp_path, contract, ledger, pii)


@pytest.fixture
def real_data() -> Path:
    root = Path(__file__).resolve().parents[2]
    folder = root / os.environ.get("HUIYIN_TEST_DATA", "../shared/data")
    if not folder.is_dir():
        reason = f"the public test data is not at {folder} (set HUIYIN_TEST_DATA)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def home_contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return load_one(tmp_path_factory.mktemp("sources"), SHOP)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def peer(request: Any, home: Home) -> Iterator[Peer]:
    """Each database in turn, with a place of its own in it."""
    with database_peer(request.param, home.path) as found:
        yield found


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: Any, home: Home) -> Iterator[Peer]:
    """Each database server in turn."""
    with database_peer(request.param, home.path) as found:
        yield found


@pytest.fixture
def sqlite(home: Home) -> Iterator[Peer]:
    with database_peer("sqlite", home.path) as found:
        yield found


@pytest.fixture
def postgres(home: Home) -> Iterator[Peer]:
    with database_peer("postgresql", home.path) as found:
        yield found


@pytest.fixture
def mariadb(home: Home) -> Iterator[Peer]:
    with database_peer("mariadb", home.path) as found:
        yield found
