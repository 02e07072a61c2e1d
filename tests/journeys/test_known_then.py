"""What was known then: the figures of a sent message, built again after all that came since."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from cubes.snapshot import Snapshot, open_snapshot
from notifications.account import WHOLE
from notifications.digest import preview
from notifications.schema import message
from notifications.store import reading
from pipelines.installation import Installation
from pipelines.known_file import information_of, open_known_then
from pipelines.telling import digests_of, messages_of, operations, publication_of
from tests.journeys.product import Product, clean_environment

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("known_then")]

TOLD_AT = "2026-03-31T09:00"


@dataclass
class Later:
    """A demonstration in which a day, corrections and another publish came after the messages."""

    product: Product
    folder: Path
    first: str

    @property
    def installation(self) -> Installation:
        return Installation.open(clean_environment(self.product.home))

    def build(self, known_at: str, *arguments: str) -> tuple[Path, dict[str, Any]]:
        """Build what was known then; the file and what the command said."""
        file = self.folder / f"{re.sub('[^0-9a-z]', '', known_at)}.duckdb"
        told = self.product.json("build", "--known-at", known_at, "--into", str(file), *arguments)
        return file, told


@pytest.fixture(scope="module")
def later(demo: Product, tmp_path_factory: pytest.TempPathFactory) -> Later:
    folder = tmp_path_factory.mktemp("known_then")
    product = demo.copy(folder / "home")
    first = tag_of(product)
    product.run("simulate", "--next-day")
    correct(product.home / "exchange" / "billing", "payments_20260330_0022.txt", drop=10)
    correct(product.home / "exchange" / "hotline", "cases_20260330_0022.txt", swap=",TS,")
    with sqlite3.connect(product.home / "simulator" / "hall.db") as hall:
        hall.execute(
            "insert into ifc_orders (order_line_no, order_no, customer_no, unit_code, "
            "product_code, staff_no, order_type, quantity, amount, ordered_at, ifc_op) "
            "select order_line_no, order_no, customer_no, unit_code, product_code, staff_no, "
            "order_type, quantity, printf('%.2f', amount * 2), ordered_at, 'U' from ifc_orders "
            "where ordered_at like '2026-03-30%' or ordered_at like '20260330%'"
        )
        assert hall.execute("select changes()").fetchone()[0] > 10
    product.run("run")
    assert tag_of(product) != first
    return Later(product, folder, first)


def tag_of(product: Product) -> str:
    text = (product.home / "published/current/published.json").read_text(encoding="utf-8")
    return str(json.loads(text)["tag"])


def correct(folder: Path, name: str, *, drop: int = 0, swap: str = "") -> None:
    """Have the sender send a file again, with rows left out or complaints as enquiries."""
    archive = folder / "archive"
    log = json.loads((archive / f"{name}.send.log").read_text(encoding="utf-8"))
    lines = (archive / name).read_bytes().splitlines(keepends=True)
    kept = lines[: len(lines) - drop]
    if swap:
        kept = [line.replace(swap.encode(), b",ZX,") for line in kept]
        assert kept != lines
    body = b"".join(kept)
    again = name.replace(".txt", "_R.txt")
    if "amount" in log["sums"]:
        cents = [round(float(line.split(b"|")[3]) * 100) for line in kept[1:]]
        log["sums"] = {"amount": f"{sum(cents) / 100:.2f}"}
    log |= {
        "file": again,
        "rows": len(kept) - 1,
        "bytes": len(body),
        "sha256": sha256(body).hexdigest(),
        "sent_at": "2026-04-01T05:00:00+08:00",
    }
    (folder / again).write_bytes(body)
    (folder / f"{again}.send.log").write_text(json.dumps(log), encoding="utf-8")


def retold(
    installation: Installation, snapshot: Snapshot, told: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The figures of a told digest, computed from a snapshot."""
    text = preview(
        digests_of(installation)[told["subject_id"]],
        frozenset({told["unit_id"] or WHOLE}),
        publication_of(installation, snapshot),
        language=told["language"],
        signature=installation.signature(told["language"]),
        business_date=date.fromisoformat(told["figures"]["business_date"]),
    )
    assert text is not None
    return text.figures


def told_digests(installation: Installation, tag: str) -> list[dict[str, Any]]:
    """Digests told from a snapshot, with the figures the outbox keeps of them."""
    with operations(installation) as engine, reading(engine) as connection:
        rows = connection.execute(sa.select(message.c.message_id, message.c.figures))
        figures = {row.message_id: row.figures for row in rows}
    return [
        {**one, "figures": figures[one["message_id"]]}
        for one in messages_of(installation)
        if one["kind"] == "digest" and one["snapshot"] == tag
    ]


@pytest.mark.parametrize("named", ["instant", "tag"])
def test_what_was_known_then_gives_the_told_figures_after_corrections(
    later: Later, named: str
) -> None:
    installation = later.installation
    told = told_digests(installation, later.first)
    assert {one["subject_id"] for one in told} == {"complaints", "daily_sales", "monthly_arrears"}
    file, said = later.build(TOLD_AT if named == "instant" else later.first)
    with open_known_then(file) as then:
        wrong = {
            one["message_id"]: (one["figures"], again)
            for one in told
            if (again := retold(installation, then, one)) != one["figures"]
        }
    assert wrong == {}
    with open_snapshot(later.product.home / "published") as present:
        differ = {
            one["subject_id"]
            for one in told
            if retold(installation, present, one) != one["figures"]
        }
    assert differ == {"complaints", "daily_sales", "monthly_arrears"}
    (comparable,) = said["comparable"]
    assert comparable["tag"] == later.first
    assert {one["message_id"] for one in told} <= {
        one["message_id"] for one in comparable["messages"]
    }


def test_what_is_known_now_is_the_present_build(later: Later) -> None:
    before = contents(later.product.home / "warehouse.duckdb")
    file, _ = later.build("now")
    assert contents(file) == before


def test_before_the_first_batch_there_is_an_empty_but_valid_warehouse(later: Later) -> None:
    file, said = later.build("2026-03-01T00:00")
    assert said["batches"] == 0 and said["comparable"] == []
    for table in ("fct_case", "fct_feedback_event", "fct_sale", "fct_batch", "fct_payment"):
        assert count(file, f"marts.{table}") == 0
    answer = later.product.json("cube", "--db", str(file), "query", "cases", "--measures", "cases")
    assert answer["rows"] == [{"cases": 0}]
    assert answer["snapshot"] == "known-at-2026-03-01T00:00:00+08:00"


def test_nothing_of_the_home_is_touched(later: Later) -> None:
    home = later.product.home

    def state() -> dict[str, bytes]:
        return {
            path.relative_to(home).as_posix(): sha256(path.read_bytes()).digest()
            for folder in (home, home / "published", home / "raw")
            for path in sorted(folder.glob("*") if folder == home else folder.rglob("*"))
            if path.is_file()
            and path.suffix not in {".db-wal", ".db-shm"}
            and not path.name.endswith(("-wal", "-shm"))
        } | {"current": str((home / "published/current").readlink()).encode()}

    before = state()
    later.build("2026-03-31T09:00:00+08:00")
    assert state() == before
    assert [path.name for path in (home / "known_then").iterdir()] == [".lock"]


def contents(file: Path) -> dict[str, tuple[int, str]]:
    """Rows and an order-free checksum of every table and view, without what names a build."""
    found: dict[str, tuple[int, str]] = {}
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_schema <> 'known' order by all"
        ).fetchall()
        for schema, table in tables:
            row = connection.execute(
                "select count(*), coalesce(sum(hash(t)::hugeint), 0)::varchar from (select "
                "columns(c -> c not in ('build_id', 'signature')) "
                f'from "{schema}"."{table}") as t'
            ).fetchone()
            assert row is not None
            found[f"{schema}.{table}"] = row
    return found


def count(file: Path, table: str) -> int:
    with duckdb.connect(str(file), read_only=True) as connection:
        assert information_of(connection)
        row = connection.execute(f"select count(*) from {table}").fetchone()
    assert row is not None
    return int(row[0])
