"""Every format goes the same way: logs, quarantine with its bytes, sums, archive."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.formats import suffix_of, write_file
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from tests.connectors.conftest import ENCRYPTION_KEY, PSEUDONYM_KEY, SHOP, Home, load_one

LAYOUTS: dict[str, dict[str, Any]] = {
    "fixed_width": {"encoding": "gb18030", "header": False},
    "json_lines": {"encoding": "utf-8"},
    "spreadsheet": {"sheet": "销售"},
    "national_centre": {},
    "delimited": {"delimiter": "|@|", "compression": "gz"},
}
ROWS: list[dict[str, str | None]] = [
    {"sale_no": "S1", "phone": "13800001111", "amount": "1.50", "sold_at": "20260330080000"},
    {"sale_no": "S2", "phone": None, "amount": "wrong", "sold_at": "20260330080000"},
    {"sale_no": "S3", "phone": None, "amount": "2.00", "sold_at": "20260330080000", "note": "好"},
]


def home_of(folder: Path, form: str) -> Home:
    declaration = copy.deepcopy(SHOP)
    declaration["interface"]["format"] = form
    if form == "national_centre":
        del declaration["file"]
    else:
        declaration["file"] = LAYOUTS[form]
    if form == "fixed_width":
        for number, column in enumerate(declaration["streams"]["sales"]["columns"].values()):
            column["at"] = [1 + number * 16, 16]
    contract = load_one(folder / "sources", declaration)
    return Home(
        folder,
        contract,
        Ledger(folder / "ledger.db"),
        PiiStore(folder / "pii.db", pseudonym_key=PSEUDONYM_KEY, encryption_key=ENCRYPTION_KEY),
    )


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[str], Home]]:
    made: list[Home] = []

    def of(form: str) -> Home:
        made.append(home_of(tmp_path, form))
        return made[-1]

    yield of
    for home in made:
        home.ledger.close()
        home.pii.close()


def deliver(home: Home, rows: list[dict[str, str | None]], *, amount: str) -> Path:
    home.folder.mkdir(parents=True, exist_ok=True)
    path = home.folder / f"sales_20260330_0001{suffix_of(home.contract)}"
    write_file(rows, path, home.contract, "sales")
    body = path.read_bytes()
    log = {
        "file": path.name,
        "source": "shop",
        "stream": "sales",
        "business_date": "2026-03-30",
        "sequence": 1,
        "rows": 3,
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "sums": {"amount": amount},
        "sent_at": "2026-03-31T05:00:00+08:00",
    }
    (home.folder / f"{path.name}.send.log").write_text(json.dumps(log))
    return path


@pytest.mark.parametrize("form", list(LAYOUTS))
def test_a_file_of_every_format_lands_its_good_rows(make: Callable[[str], Home], form: str) -> None:
    home = make(form)
    path = deliver(home, ROWS, amount="3.50")
    (delivery,) = home.land()
    assert (delivery.rows, delivery.loaded, delivery.rejected) == (3, 2, 1)
    assert home.rows("sale_no, cast(amount as varchar), note") == [
        ("S1", "1.50", None),
        ("S3", "2.00", "好"),
    ]
    (row,) = home.ledger.quarantine()
    assert (row.column_name, row.reason) == ("amount", "not_a_decimal")
    kept = home.pii.quarantined_record(row.batch_id, row.record_no)
    assert kept is not None and b"S2" in kept and b"wrong" in kept
    assert home.read_log(path)["result"] == "partial"
    assert not path.exists()


@pytest.mark.parametrize("form", list(LAYOUTS))
def test_a_wrong_total_refuses_a_file_of_every_format(
    make: Callable[[str], Home], form: str
) -> None:
    home = make(form)
    readable = [row | {"amount": "2.00"} for row in ROWS]
    deliver(home, readable, amount="6.01")
    (delivery,) = home.land()
    assert (delivery.status, delivery.code) == ("refused", "wrong_sum")
