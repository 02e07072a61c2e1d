"""Columns of tables that come and go, by the same rules as those of a header."""

from __future__ import annotations

import copy

import pyarrow.parquet as pq
import pytest

from connectors.errors import InterfaceMismatch
from connectors.quarantining.quarantine import find_records
from connectors.quarantining.replay import replay
from tests.connectors.conftest import SHOP, Home
from tests.connectors.partner_tables import (
    flags,
    land,
    make_flag_table,
    make_table,
    offer,
    sale,
    shop,
    store,
)
from tests.peers.databases import Peer


def change(peer: Peer, what: str, name: str = "ifc_sales") -> None:
    peer.run(f"alter table {peer.table(name)} {what}")


def noted(home: Home) -> list[tuple[str, str]]:
    return [(event.code, event.detail) for event in home.ledger.exchange_events()]


def test_an_optional_column_that_a_table_lacks_reads_as_null(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    change(peer, "drop column note")
    peer.run(
        f"insert into {peer.table('ifc_sales')} (sale_no, phone, amount, sold_at) "
        "values ('S1', '13800001111', '10.00', '2026-03-30 08:00:00')"
    )
    (delivery,) = land(home, shop(home, peer, schema_change="discard"))
    assert (delivery.loaded, delivery.code) == (1, None)
    assert home.rows("sale_no, note") == [("S1", None)] and noted(home) == []
    change(peer, "drop column amount")
    with pytest.raises(InterfaceMismatch, match="it lacks amount"):
        land(home, shop(home, peer, schema_change="discard"))


def test_a_column_that_tells_the_day_is_never_done_without(home: Home, sqlite: Peer) -> None:
    make_flag_table(sqlite)
    change(sqlite, "drop column sold_at")
    columns = copy.deepcopy(SHOP["streams"]["sales"]["columns"])
    columns["sold_at"] = {"type": "timestamp"}
    contract = shop(
        home, sqlite, columns=columns, schema_change="discard", business_date_from="sold_at"
    )
    with pytest.raises(InterfaceMismatch, match="it lacks sold_at"):
        land(home, contract)


def test_a_column_that_no_contract_names_lands_as_scrubbed_text_where_it_evolves(
    home: Home, peer: Peer
) -> None:
    make_flag_table(peer)
    blob = "bytea" if peer.kind == "postgresql" else "blob"
    change(peer, "add column colour varchar(60)")
    change(peer, "add column weight decimal(9,3)")
    change(peer, f"add column photo {blob}")
    change(peer, "add column ifc_own_mark varchar(10)")
    offer(peer, sale(1), sale(2, amount="-1"))
    peer.run(f"update {peer.table('ifc_sales')} set colour = 'red, call 13900001111', weight = 1.5")
    contract = shop(home, peer, schema_change="evolve")
    (delivery,) = land(home, contract)
    assert (delivery.loaded, delivery.rejected) == (1, 1)
    ((number, colour, weight),) = home.rows("sale_no, new_colour, new_weight")
    assert (number, float(weight)) == ("S1", 1.5)
    assert colour.startswith("red, call ") and "13900001111" not in colour
    assert sorted(noted(home)) == [
        ("dropped_column", "column photo"),
        ("new_column", "it landed as new_colour"),
        ("new_column", "it landed as new_weight"),
    ]
    columns = copy.deepcopy(SHOP["streams"]["sales"]["columns"])
    columns["sold_at"].pop("format")
    columns["amount"].pop("min")
    (report,) = replay(
        shop(home, peer, columns=columns, schema_change="evolve"),
        find_records(home.ledger, source="shop"),
        home=home.path,
        ledger=home.ledger,
        pii=home.pii,
        now=home.now,
        zone="Asia/Shanghai",
    )
    assert report.replayed == 1
    replayed = home.rows("sale_no, new_colour, new_weight")[1]
    assert replayed == ("S2", colour, weight)


def test_a_column_that_no_contract_names_is_dropped_and_told_where_it_is_discarded(
    home: Home, sqlite: Peer
) -> None:
    make_flag_table(sqlite)
    change(sqlite, "add column colour text")
    offer(sqlite, sale(1))
    land(home, shop(home, sqlite, schema_change="discard"))
    assert noted(home) == [("dropped_column", "column colour")]
    assert home.rows("sale_no") == [("S1",)]


def test_a_frozen_flag_table_has_no_other_columns_and_an_ordinary_table_may(
    home: Home, sqlite: Peer
) -> None:
    make_flag_table(sqlite)
    change(sqlite, "add column colour text")
    offer(sqlite, sale(1))
    with pytest.raises(InterfaceMismatch, match="does not know: colour"):
        land(home, shop(home, sqlite))
    assert flags(sqlite) == [0] and home.ledger.batches() == []
    make_table(sqlite)
    store(sqlite, (*sale(1), "2026-03-30 10:00:00", "ok"))
    (delivery,) = land(home, shop(home, sqlite, type_="extract", mode="full"))
    assert delivery.loaded == 1 and noted(home) == []


def test_an_extract_takes_a_new_column_and_lands_a_row_again_when_only_that_changed(
    home: Home, peer: Peer
) -> None:
    make_table(peer)
    store(peer, (*sale(1), "2026-03-30 10:00:00", "ok"), (*sale(2), "2026-03-30 10:00:00", "ok"))
    columns = {
        **{
            name: {key: value for key, value in column.items() if key != "format"}
            for name, column in SHOP["streams"]["sales"]["columns"].items()
        },
        "changed_at": {"type": "timestamp"},
        "state": {"type": "string"},
    }
    cursor = {"column": "changed_at", "look_back": "2 hours"}
    contract = shop(
        home, peer, type_="extract", columns=columns, cursor=cursor, schema_change="evolve"
    )
    land(home, contract)
    change(peer, "add column colour varchar(40)", "sales")
    assert land(home, contract) == []
    peer.run(f"update {peer.table('sales')} set colour = 'red' where sale_no = 'S2'")
    (delivery,) = land(home, contract)
    assert delivery.rows == 1
    (batch,) = [one for one in home.ledger.batches() if one.batch_id == delivery.batch_id]
    raw = pq.read_table(home.path / str(batch.path), columns=["sale_no", "new_colour"])
    assert raw.to_pylist() == [{"sale_no": "S2", "new_colour": "red"}]
    assert land(home, contract) == []
    named = {**columns, "colour": {"type": "string"}, "weight": {"type": "decimal(9,3)"}}
    contract = shop(
        home, peer, type_="extract", columns=named, cursor=cursor, schema_change="evolve"
    )
    (delivery,) = land(home, contract)
    assert delivery.rows == 1 and land(home, contract) == []
    change(peer, "drop column changed_at", "sales")
    with pytest.raises(InterfaceMismatch, match="it lacks changed_at"):
        land(home, contract)
