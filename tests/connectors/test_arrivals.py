from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.arrivals import arrivals
from connectors.contract import SOURCES, Contract, load_contracts
from connectors.errors import SourceUnreachable
from connectors.landing import land_source


def look(home: Any, contract: Contract | None = None) -> tuple[str, ...]:
    return arrivals(contract or home.contract, home=home.path, ledger=home.ledger, now=home.now)


def without_log(home: Any) -> None:
    home.send([home.row(1)]).with_name("sales_20260330_0001.txt.send.log").unlink()


def without_file(home: Any) -> None:
    home.send([home.row(1)]).unlink()


def unreadable_log(home: Any) -> None:
    home.send([home.row(1)]).with_name("sales_20260330_0001.txt.send.log").write_text("{")


def sent_twice(home: Any) -> None:
    home.send([home.row(1)])
    home.land()
    home.send([home.row(1)], sequence=2)


DELIVERIES: dict[str, Callable[[Any], Any]] = {
    "good": lambda home: home.send([home.row(1)]),
    "with bad rows": lambda home: home.send([home.row(1), home.row(2, amount="x")], amount="10"),
    "refused": lambda home: home.send([home.row(1)], amount="99.00"),
    "log of another source": lambda home: home.send([home.row(1)], source="other"),
    "name that is not UTF-8": lambda home: home.send([home.row(1)], name="b\udcff.txt", file="c"),
    "without log": without_log,
    "without file": without_file,
    "unreadable log": unreadable_log,
    "sent twice": sent_twice,
}


@pytest.mark.parametrize("kind", DELIVERIES)
def test_a_delivery_is_seen_until_it_was_landed_or_noted(home: Any, kind: str) -> None:
    DELIVERIES[kind](home)
    assert len(look(home)) == 1
    assert len(look(home)) == 1, "looking takes nothing"
    home.land()
    assert look(home) == ()
    assert home.land() == []


def test_a_refused_delivery_is_seen_again_when_its_log_or_its_content_is_mended(
    home: Any,
) -> None:
    home.send([home.row(1)], amount="99.00")
    home.land()
    home.send([home.row(1)])
    assert look(home) == ("sales_20260330_0001.txt",)
    home.land()
    home.send([home.row(2)], sequence=2, rows=3)
    home.land()
    home.send([home.row(2), home.row(3), home.row(4)], sequence=2)
    assert look(home) == ("sales_20260330_0002.txt",)


def test_a_log_that_comes_later_makes_its_file_new(home: Any) -> None:
    without_log(home)
    home.land()
    home.send([home.row(1)])
    assert look(home) == ("sales_20260330_0001.txt",)


def test_an_empty_or_absent_folder_offers_nothing(home: Any) -> None:
    assert look(home) == ()
    assert not home.folder.exists()


@pytest.fixture
def hall() -> Contract:
    shipped = load_contracts([SOURCES])["hall"]
    return shipped.model_copy(update={"streams": {"products": shipped.streams["products"]}})


def products(path: Path) -> sqlite3.Connection:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute(
        "create table ifc_products (product_code, product_name, product_name_en, family, "
        "ifc_seq integer primary key, ifc_status integer default 0, ifc_op, ifc_batch, "
        "ifc_claimed_at, ifc_processed_at, ifc_error)"
    )
    connection.execute(
        "insert into ifc_products (product_code, product_name, family, ifc_op) "
        "values ('P1', '语音', 'voice', 'I')"
    )
    connection.commit()
    return connection


def test_rows_of_a_table_are_seen_until_they_are_marked(home: Any, hall: Contract) -> None:
    with products(home.path / "simulator/hall.db") as connection:
        given = {"home": home.path, "ledger": home.ledger, "now": home.now}
        assert look(home, hall) == ("ifc_products",)
        with pytest.raises(RuntimeError):
            land_source(hall, pii=home.pii, zone="Asia/Shanghai", at=dies_at("claimed"), **given)
        assert look(home, hall) == ("ifc_products",), "a claim was left behind"
        land_source(hall, pii=home.pii, zone="Asia/Shanghai", **given)
        assert look(home, hall) == ()
        status = connection.execute("select ifc_status from ifc_products").fetchone()
    assert status == (2,)


def test_a_database_that_is_not_there_is_told(home: Any, hall: Contract) -> None:
    with pytest.raises(SourceUnreachable, match=r"hall\.db"):
        look(home, hall)


def dies_at(step: str) -> Callable[[str], None]:
    def at(name: str) -> None:
        if name == step:
            raise RuntimeError(step)

    return at
