"""Whatever a file holds and its log says: rows = loaded + quarantined, or refused; told alike."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from tests.connectors.conftest import (
    ENCRYPTION_KEY,
    HEADER,
    PSEUDONYM_KEY,
    SHOP,
    Home,
    load_one,
    row,
)
from tests.connectors.harm import EDITS, Edit, harmed
from tests.soak import fuzz

NAME = "sales_20260330_0001.dat"
WIDTH = 16
FORMS: list[tuple[str, dict[str, Any] | None]] = [
    ("delimited", {"delimiter": "|", "encoding": "gb18030"}),
    ("delimited", {"delimiter": "|", "encoding": "utf-8", "header": False, "compression": "gz"}),
    ("delimited", {"delimiter": ",", "quote": '"'}),
    ("fixed_width", {"encoding": "gb18030", "header": False}),
    ("json_lines", {"encoding": "utf-8"}),
]
LINES = st.lists(
    st.one_of(
        st.builds(row, st.integers(0, 50), amount=st.sampled_from(["1.00", "2", "3.50"])),
        st.builds(row, st.integers(0, 5), amount=st.sampled_from(["1.00", "-1", "x"])),
        st.text('S1|,"好 \r.0{}:\\', max_size=30),
    ),
    min_size=1,
    max_size=8,
)
LIES: list[dict[str, Any]] = [
    *[{}] * 6,
    {"rows": 1},
    {"rows": -1},
    {"bytes": 1},
    {"sha256": "0" * 64},
]


def home_of(stack: ExitStack, form: str, layout: dict[str, Any] | None, limit: int) -> Home:
    folder = Path(stack.enter_context(TemporaryDirectory()))
    columns = {name: dict(column) for name, column in SHOP["streams"]["sales"]["columns"].items()}
    if form == "fixed_width":
        for place, name in enumerate(HEADER.split("|")):
            columns[name]["at"] = [1 + place * WIDTH, WIDTH]
    changed = {
        "columns": columns,
        "control": {"rows": True},
        "reject_limit": {"rows": limit, "share": 0},
    }
    stream = SHOP["streams"]["sales"] | changed
    interface = SHOP["interface"] | {"format": form}
    declaration = SHOP | {"interface": interface, "file": layout, "streams": {"sales": stream}}
    contract = load_one(folder / "sources", declaration)
    keys = {"pseudonym_key": PSEUDONYM_KEY, "encryption_key": ENCRYPTION_KEY}
    ledger = stack.enter_context(Ledger(folder / "ledger.db"))
    home = Home(folder, contract, ledger, stack.enter_context(PiiStore(folder / "pii.db", **keys)))
    home.folder.mkdir(parents=True)
    return home


def body_of(lines: list[str], form: str, layout: dict[str, Any]) -> bytes:
    """The lines as the form has them, where they are records at all."""
    encoding = layout.get("encoding", "utf-8")
    names = HEADER.split("|")
    if form == "fixed_width":
        cells = [line.split("|") for line in lines]
        lines = ["".join(f"{cell:<{WIDTH}}" for cell in one) for one in cells]
    elif form == "json_lines":
        lines = [
            json.dumps(dict(zip(names, line.split("|"), strict=False))) if "|" in line else line
            for line in lines
        ]
    elif layout.get("header", True):
        lines = [HEADER, *lines]
    if layout.get("quote"):
        lines = [f'"{line}"'.replace("|", '","') for line in lines]
    return "".join(f"{line}\n" for line in lines).encode(encoding)


def records_in(body: bytes, form: str, layout: dict[str, Any]) -> int | None:
    """The records by a reader of its own; None where quotes leave it open."""
    if form == "json_lines":
        lines = body.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        return len([line for line in lines if line.decode("utf-8", "replace").strip()])
    if layout.get("encoding", "utf-8") == "utf-8":
        body = body.removeprefix(b"\xef\xbb\xbf")
    lines = [line.removesuffix(b"\r") for line in body.split(b"\n")]
    if layout.get("quote"):
        fields = [field for line in lines if line for field in line.split(b",")]
        if not all(field.count(b'"') == 2 and field[:1] == field[-1:] == b'"' for field in fields):
            return None
    return len([line for line in lines if line]) - (layout.get("header", True) is True)


def send(home: Home, body: bytes, rows: int, lie: dict[str, Any]) -> None:
    log = {
        "file": NAME,
        "source": "shop",
        "stream": "sales",
        "business_date": "2026-03-30",
        "sequence": 1,
        "rows": max(0, rows + lie.get("rows", 0)),
        "bytes": len(body) + lie.get("bytes", 0),
        "sha256": lie.get("sha256", sha256(body).hexdigest()),
        "sent_at": "2026-03-31T05:00:00+08:00",
    }
    (home.folder / NAME).write_bytes(body)
    (home.folder / f"{NAME}.send.log").write_text(json.dumps(log), encoding="utf-8")


def everything(home: Home) -> tuple[Any, ...]:
    """All that a landing may change, but the moment of a look at a file."""
    files = {
        str(path.relative_to(home.path)): path.read_bytes()
        for root in (home.folder, home.path / "raw")
        for path in root.rglob("*")
        if path.is_file()
    }
    ledger = home.ledger
    return files, ledger.batches(), ledger.quarantine(), ledger.confirmations()


@fuzz(12, most=1000, suppress_health_check=list(HealthCheck))
@given(
    lines=LINES,
    edits=EDITS,
    form=st.sampled_from(FORMS),
    lie=st.sampled_from(LIES),
    limit=st.sampled_from([1, 10**6]),
)
def test_a_landing_accounts_for_every_record_or_refuses_the_file(
    lines: list[str],
    edits: list[Edit],
    form: tuple[str, dict[str, Any]],
    lie: dict[str, Any],
    limit: int,
) -> None:
    name, layout = form
    body = harmed(body_of(lines, name, layout), edits)
    counted = records_in(body, name, layout)
    if layout.get("compression") == "gz":
        body = gzip.compress(body, mtime=0)
    with ExitStack() as stack:
        home = home_of(stack, name, layout, limit)
        send(home, body, counted or 0, lie)
        home.land()
        (batch,) = home.ledger.batches()
        told = home.read_log(home.folder / NAME)
        assert (told["batch_id"], told["code"]) == (batch.batch_id, batch.code)
        assert (told["rows_read"], told["rows_loaded"], told["rows_rejected"]) == (
            batch.rows,
            batch.rows_loaded,
            batch.rejected,
        )
        raw = [str(path) for path in (home.path / "raw").rglob("*.parquet")]
        if batch.status == "loaded":
            require_accounted(home, counted, lie, limit, raw)
            assert told["result"] == ("partial" if batch.rejected else "ok")
        else:
            assert batch.status == "refused" and raw == []
            assert told["result"] == "refused" and told["reason"]
            if counted is not None and not lie:
                # A right log is never said to lie: the file is what cannot be used.
                assert batch.code not in {"lying_log", "changed_file", None}, told
        before = everything(home)
        assert home.land() == []
        assert everything(home) == before


def require_accounted(
    home: Home, counted: int | None, lie: dict[str, Any], limit: int, raw: list[str]
) -> None:
    """Each record is in raw or in quarantine with its bytes, as many as an own reader counts."""
    (batch,) = home.ledger.batches()
    waiting = home.ledger.quarantine()
    landed = duckdb.sql(f"select _record_no from read_parquet({raw})").fetchall()
    numbers = Counter([*(one for (one,) in landed), *(one.record_no for one in waiting)])
    assert numbers == Counter(range(1, batch.rows + 1))
    assert (len(landed), len(waiting)) == (batch.rows_loaded, batch.rejected)
    assert batch.rejected <= limit
    for one in waiting:
        assert home.pii.quarantined_record(batch.batch_id, one.record_no) is not None
    if counted is not None:
        assert batch.rows == counted
        # Only a log that cannot go below nothing says the same as a right one.
        assert not lie or (counted == 0 and lie == {"rows": -1})
