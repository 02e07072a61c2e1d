from __future__ import annotations

import copy
import sqlite3
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import SOURCES, load_contracts
from connectors.errors import InterfaceMismatch, SourceUnreachable
from connectors.landing import land_source
from connectors.tables import FlagTable, open_database

COLUMNS = ["product_code", "product_name", "product_name_en", "family"]


@pytest.fixture
def hall(home: Any) -> sqlite3.Connection:
    path = home.path / "simulator/hall.db"
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    flags = (
        "ifc_seq integer primary key, ifc_status integer default 0, ifc_op text, ifc_batch "
        "text, ifc_claimed_at text, ifc_processed_at text, ifc_error text"
    )
    connection.execute(f"create table ifc_products ({', '.join(COLUMNS)}, {flags})")
    return connection


def put(connection: sqlite3.Connection, *rows: tuple[Any, ...]) -> None:
    connection.executemany(
        "insert into ifc_products (product_code, product_name, family, ifc_op) values (?,?,?,?)",
        rows,
    )
    connection.commit()


def land(home: Any, **more: Any) -> list[Any]:
    shipped = load_contracts([SOURCES])["hall"]
    contract = shipped.model_copy(update={"streams": {"products": shipped.streams["products"]}})
    return land_source(
        contract,
        home=home.path,
        ledger=home.ledger,
        pii=home.pii,
        now=home.now,
        zone="Asia/Shanghai",
        **more,
    )


def test_rows_land_once_and_are_marked_done_or_as_errors(
    home: Any, hall: sqlite3.Connection
) -> None:
    put(hall, ("P1", "语音", "voice", "I"), ("P2", "x", "spaceship", "I"), ("P1", None, None, "D"))
    (delivery,) = land(home)
    assert (delivery.rows, delivery.loaded, delivery.rejected) == (3, 2, 1)
    assert home.rows("product_code, _op") == [("P1", "D"), ("P1", "I")]
    marks = hall.execute("select ifc_status, ifc_error from ifc_products order by ifc_seq")
    assert marks.fetchall() == [
        (2, None),
        (9, "malformed_row: family value_not_allowed"),
        (2, None),
    ]
    assert str(delivery.business_date) == "2026-03-30"
    assert land(home) == []


@pytest.mark.parametrize("step", ["claimed", "pii", "announced", "parquet", "loaded", "marked"])
def test_a_claim_left_behind_is_resumed_under_its_token(
    home: Any, hall: sqlite3.Connection, step: str
) -> None:
    put(hall, ("P1", "语音", "voice", "I"), ("P2", "宽带", "broadband", "I"))

    def fail(name: str) -> None:
        if name == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        land(home, at=fail)
    (token,) = hall.execute("select distinct ifc_batch from ifc_products").fetchone()
    land(home)
    (batch,) = home.ledger.batches()
    assert (batch.batch_id, batch.status, batch.rows_loaded) == (token, "loaded", 2)
    assert [one[0] for one in home.rows("product_code")] == ["P1", "P2"]
    assert hall.execute("select distinct ifc_status from ifc_products").fetchall() == [(2,)]
    assert land(home) == []


def test_two_workers_never_take_the_same_row(home: Any, hall: sqlite3.Connection) -> None:
    put(hall, *((f"P{n}", "语音", "voice", "I") for n in range(300)))
    stream = load_contracts([SOURCES])["hall"].streams["products"]
    taken: Counter[int] = Counter()

    def work(name: str) -> None:
        engine = open_database("sqlite:///simulator/hall.db", home.path)
        table = FlagTable(engine, "products", stream, worker=name)
        ordinal = 0
        while token := table.claim(limit=20, ordinal=ordinal, now=home.now):
            ordinal += 1
            for block in table.rows(token):
                taken.update(row[0] for row in block)
        engine.dispose()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 300 and set(taken.values()) == {1}


def test_a_claim_of_another_worker_is_left_alone_until_it_is_stale(
    home: Any, hall: sqlite3.Connection
) -> None:
    put(hall, ("P1", "语音", "voice", "I"))
    stream = copy.copy(load_contracts([SOURCES])["hall"].streams["products"])
    engine = open_database("sqlite:///simulator/hall.db", home.path)
    other = FlagTable(engine, "products", stream, worker="other")
    token = other.claim(limit=10, ordinal=0, now=home.now)
    mine = FlagTable(engine, "products", stream, worker="mine")
    hour = timedelta(hours=1)
    assert mine.left_behind(now=home.now, stale_after=hour) == []
    assert mine.left_behind(now=home.now + hour, stale_after=hour) == [token]


def test_a_missing_database_or_column_is_told(home: Any, hall: sqlite3.Connection) -> None:
    with pytest.raises(SourceUnreachable):
        open_database("sqlite:///simulator/other.db", Path(home.path))
    hall.execute("alter table ifc_products drop column family")
    with pytest.raises(InterfaceMismatch, match="family"):
        land(home)


def test_a_value_that_is_no_text_rejects_its_row_and_not_the_table(
    home: Any, hall: sqlite3.Connection
) -> None:
    put(
        hall,
        ("P1", "语音", "voice", "I"),
        ("P2", b"\xff", "voice", "I"),
        ("P3", "a\0", "voice", "I"),
    )
    hall.execute("update ifc_products set family = cast(x'ff41' as text) where ifc_seq = 1")
    put(hall, ("P4", "语音", "voice", "I"))
    (delivery,) = land(home)
    assert (delivery.loaded, delivery.rejected) == (1, 3)
    reasons = [row.reason for row in home.ledger.quarantine()]
    assert reasons == ["broken_encoding", "broken_encoding", "nul_byte"]


def test_a_row_that_no_claim_can_reach_is_told_once(home: Any, hall: sqlite3.Connection) -> None:
    put(hall, ("P1", "语音", "voice", "I"))
    hall.execute("update ifc_products set ifc_status = 7")
    hall.commit()
    (delivery,) = land(home)
    assert delivery.code == "unknown_flag" and "1 rows" in str(delivery.reason)
    assert land(home) == []


def test_rows_without_numbers_of_their_own_are_not_landed(
    home: Any, hall: sqlite3.Connection
) -> None:
    put(hall, ("P1", "语音", "voice", "I"), ("P2", "语音", "voice", "I"))
    hall.execute("create table copied as select * from ifc_products")
    hall.execute("drop table ifc_products")
    hall.execute("alter table copied rename to ifc_products")
    hall.execute("update ifc_products set ifc_seq = 1")
    hall.commit()
    with pytest.raises(InterfaceMismatch, match="a number of its own"):
        land(home)
    assert home.ledger.batches() == []


def test_a_database_that_is_none_is_told_without_its_bytes(home: Any) -> None:
    path = home.path / "simulator/hall.db"
    path.parent.mkdir()
    path.write_bytes(b"13800001111" * 500)
    with pytest.raises(SourceUnreachable, match="SQLITE_NOTADB") as caught:
        land(home)
    assert "1380000" not in str(caught.value)


@pytest.mark.parametrize("location", ["nonsense", "foo://x", "mysql://me:hidden@host/x"])
def test_a_location_without_a_driver_is_told_without_its_password(home: Any, location: str) -> None:
    with pytest.raises(InterfaceMismatch, match="correct 'location'") as caught:
        open_database(location, home.path)
    assert "hidden" not in str(caught.value)
