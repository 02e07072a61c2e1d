"""Control totals of tables: the database's own count and sums against what was read."""

from __future__ import annotations

import copy
import threading
import time
from typing import Any

import pytest

from connectors.databases.control_totals import Reconciliation, Totals
from connectors.databases.database import open_database
from connectors.databases.flag_tables import FLAGS
from connectors.databases.table_columns import find_table
from connectors.places.place import no_secret
from pipelines.delivery_history import reconcile
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
from tests.peers.databases import Peer, database_peer

CONTROL = {"rows": True, "sums": ["amount"]}
COLUMNS = {
    **{
        name: {key: value for key, value in column.items() if key != "format"}
        for name, column in SHOP["streams"]["sales"]["columns"].items()
    },
    "changed_at": {"type": "timestamp"},
    "state": {"type": "string"},
}
CURSOR = {"column": "changed_at", "look_back": "2 hours"}


def totals(home: Home) -> list[tuple[Any, ...]]:
    """Declared and counted totals of all batches."""
    return [
        (one.declared_rows, dict(one.declared_sums), one.rows, dict(one.sums))
        for one in home.ledger.batches()
    ]


def test_a_claim_states_the_totals_that_the_database_tells(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    # A refund, what binary numbers cannot add up, and an amount below the minimum.
    offer(peer, sale(1, amount="0.10"), sale(2, amount="0.20"), sale(3, amount="9007199254740993"))
    offer(peer, sale(4, amount="-1.05"))
    land(home, shop(home, peer, control=CONTROL))
    total = "9007199254740992.25"
    assert totals(home) == [(4, {"amount": total}, 4, {"amount": total})]
    lines = [(one.measure, one.declared, one.counted) for one in reconcile(home.ledger.batches())]
    assert [name for name, *_ in lines] == ["amount", "rows"]
    assert all(declared == counted for _, declared, counted in lines)


def test_amounts_kept_as_text_or_as_floats_add_up_exactly(home: Home, peer: Peer) -> None:
    real = {"sqlite": "real", "postgresql": "double precision", "mariadb": "double"}[peer.kind]
    make_flag_table(
        peer,
        columns=f"sale_no varchar(40), phone varchar(20), amount {real}, fee varchar(40), "
        "sold_at varchar(30), note varchar(30)",
    )
    columns = {**copy.deepcopy(COLUMNS), "fee": {"type": "decimal(18,2)"}}
    for name in ("changed_at", "state"):
        del columns[name]
    place = peer.table("ifc_sales")
    peer.run(
        f"insert into {place} (sale_no, amount, fee, sold_at) values (?, ?, ?, ?)",
        *(
            (f"S{number}", amount, fee, "2026-03-30 08:00:00")
            for number, (amount, fee) in enumerate([(0.1, "0.10"), (0.2, ""), (4.35, "+7.25")])
        ),
    )
    control = {"sums": ["amount", "fee"]}
    (delivery,) = land(home, shop(home, peer, columns=columns, control=control))
    assert (delivery.status, delivery.rejected) == ("loaded", 0)
    ((rows, declared, _, counted),) = totals(home)
    assert (rows, counted) == (3, {"amount": "4.65", "fee": "7.35"})
    assert declared == counted


def test_a_quarantined_amount_that_cannot_be_read_explains_a_difference(
    home: Home, sqlite: Peer
) -> None:
    make_flag_table(sqlite)
    # Three decimals are a number for the database and a fault for the contract.
    offer(sqlite, sale(1), sale(2, amount="1.005"), sale(3, amount="ten"))
    (delivery,) = land(home, shop(home, sqlite, control=CONTROL))
    assert (delivery.status, delivery.loaded, delivery.rejected) == ("loaded", 1, 2)
    assert totals(home) == [(3, {"amount": "11.005"}, 3, {"amount": "10.00"})]


@pytest.mark.parametrize("amount", ["12.345", "1" * 20])
def test_an_amount_that_a_tombstone_does_not_need_refuses_no_claim(
    home: Home, sqlite: Peer, amount: str
) -> None:
    make_flag_table(sqlite)
    offer(sqlite, sale(1))
    offer(sqlite, sale(2, amount=amount), op="D")
    (delivery,) = land(home, shop(home, sqlite, control=CONTROL))
    assert (delivery.status, delivery.loaded, delivery.rejected) == ("loaded", 2, 0)
    assert home.rows("sale_no, amount is null") == [("S1", False), ("S2", True)]
    # Nothing of the batch explains a difference, so that none is noted.
    assert totals(home) == [(2, {}, 2, {})]


def test_an_unreadable_amount_that_is_read_again_refuses_no_later_row_of_an_extract(
    home: Home, sqlite: Peer
) -> None:
    make_table(sqlite)
    deleted = {"column": "state", "values": ["gone"]}
    contract = shop(
        home,
        sqlite,
        type_="extract",
        columns=COLUMNS,
        cursor=CURSOR,
        deleted=deleted,
        control=CONTROL,
    )
    at = "2026-03-30 10:00:00"
    store(sqlite, (*sale(1), at, "ok"), (*sale(2, amount="1.005"), at, "ok"))
    store(sqlite, (*sale(3, amount="12.345"), at, "gone"))
    (delivery,) = land(home, contract)
    assert (delivery.status, delivery.loaded, delivery.rejected) == ("loaded", 2, 1)
    store(sqlite, (*sale(4, amount="5.00"), "2026-03-30 10:30:00", "ok"))
    (delivery,) = land(home, contract)
    assert (delivery.status, delivery.rows, delivery.rejected) == ("loaded", 1, 0)
    assert totals(home) == [(3, {"amount": "23.35"}, 3, {"amount": "10.00"}), (1, {}, 1, {})]
    # Once the bad row is out of the window, sums are compared again.
    store(sqlite, (*sale(5, amount="0.70"), "2026-03-30 13:00:00", "ok"))
    land(home, contract)
    store(sqlite, (*sale(6, amount="0.30"), "2026-03-30 13:00:00", "ok"))
    land(home, contract)
    assert totals(home)[-1] == (1, {"amount": "0.30"}, 1, {"amount": "0.30"})


def test_a_database_that_cannot_pass_over_what_is_no_number_is_asked_for_no_sums(
    home: Home, sqlite: Peer
) -> None:
    make_flag_table(sqlite)
    contract = shop(home, sqlite, control=CONTROL)
    engine = open_database(
        contract.interface.location, home.path, secret=no_secret, owner="shop", read_only=True
    )
    table = find_table(engine, "ifc_sales", contract.streams["sales"], flags=FLAGS)
    engine.dispose()
    told = {
        backend: table.stream_as_told(contract.streams["sales"], backend).control.sums
        for backend in ("sqlite", "postgresql", "mariadb", "mysql", "oracle")
    }
    assert told.pop("oracle") == () and set(told.values()) == {("amount",)}


# How the query that reads rows is known to the database; the one for the totals is another.
_READING = "current_query() like '%AS number%'"


def test_an_amount_that_comes_otherwise_than_the_database_adds_it_up_refuses_a_claim(
    home: Home, postgres: Peer
) -> None:
    make_flag_table(postgres, "kept")
    offer(postgres, sale(1), sale(2), name="kept")
    # A tombstone without an amount hides none.
    offer(postgres, sale(3, amount=None), op="D", name="kept")
    place = postgres.table("ifc_sales")
    postgres.run(
        f"create view {place} as select sale_no, phone, "
        f"(amount + case when {_READING} then 1 else 0 end)::numeric(18,2) as amount, "
        "sold_at, note, ifc_seq, ifc_status, ifc_op, ifc_batch, ifc_claimed_at, ifc_processed_at, "
        f"ifc_error from {postgres.table('kept')}"
    )
    (delivery,) = land(home, shop(home, postgres, control=CONTROL))
    assert (delivery.status, delivery.code) == ("refused", "wrong_sum")
    assert "amount 20.00 against 22.00" in str(delivery.reason)
    assert flags(postgres) == [9, 9, 9] and home.rows() == []


def test_a_row_lost_on_the_way_refuses_an_extract_until_it_is_read_whole(
    home: Home, postgres: Peer
) -> None:
    make_table(postgres, "kept")
    store(
        postgres,
        *((*sale(number), "2026-03-30 10:00:00", "ok") for number in (1, 2)),
        name="kept",
    )
    kept, view = postgres.table("kept"), postgres.table("sales")
    postgres.run(
        f"create view {view} as select * from {kept} where sale_no = 'S1' or not {_READING}"
    )
    contract = shop(
        home, postgres, type_="extract", columns=COLUMNS, cursor=CURSOR, control=CONTROL
    )
    (delivery,) = land(home, contract)
    assert (delivery.status, delivery.code) == ("refused", "wrong_sum")
    assert "rows 2 against 1" in str(delivery.reason)
    assert land(home, contract) == [] and home.rows() == []
    postgres.run(f"create or replace view {view} as select * from {kept}")
    (delivery,) = land(home, contract)
    assert (delivery.status, delivery.rows) == ("loaded", 2)


_SLEEPING = {
    "postgresql": "select 1 from pg_stat_activity where wait_event = 'PgSleep'",
    "mariadb": "select 1 from information_schema.processlist where state = 'User sleep'",
}


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_what_a_source_changes_meanwhile_is_no_difference(home: Home, kind: str) -> None:
    with database_peer(kind, home.path) as peer:
        make_table(peer, "kept")
        rows = [(*sale(number), "2026-03-30 10:00:00", "ok") for number in (1, 2)]
        store(peer, *rows, name="kept")
        slowly = "pg_sleep(0.3) is not null" if kind == "postgresql" else "sleep(0.3) = 0"
        kept = peer.table("kept")
        peer.run(f"create view {peer.table('sales')} as select * from {kept} where {slowly}")

        def take_away() -> None:
            # While the database adds up, before the rows are asked for.
            for _ in range(500):
                if peer.run(_SLEEPING[kind]):
                    break
                time.sleep(0.01)
            peer.run(f"delete from {kept} where sale_no = 'S2'")

        source = threading.Thread(target=take_away)
        source.start()
        contract = shop(home, peer, type_="extract", columns=COLUMNS, mode="full", control=CONTROL)
        (delivery,) = land(home, contract)
        source.join()
        assert delivery.status == "loaded"
        assert totals(home) == [(2, {"amount": "20.00"}, 2, {"amount": "20.00"})]


def test_an_extract_states_the_totals_of_the_rows_that_are_new(home: Home, peer: Peer) -> None:
    make_table(peer)
    rows = [
        (*sale(number, amount=f"{number}.10"), "2026-03-30 10:00:00", "ok") for number in (1, 2)
    ]
    store(peer, *rows)
    contract = shop(home, peer, type_="extract", columns=COLUMNS, cursor=CURSOR, control=CONTROL)
    land(home, contract)
    store(peer, (*sale(3, amount="0.70"), "2026-03-30 11:00:00", "ok"))
    land(home, contract)
    assert totals(home) == [
        (2, {"amount": "3.20"}, 2, {"amount": "3.20"}),
        (1, {"amount": "0.70"}, 1, {"amount": "0.70"}),
    ]


def test_what_was_taken_out_changes_no_difference() -> None:
    told = Reconciliation(Totals(5, {"amount": "50.00"}), Totals(4, {"amount": "49.00"}), True)
    left = told.without(Totals(1, {"amount": "9.00"}), True)
    assert left.declared == Totals(2, {"amount": "10.00"})
    assert str(left.fault).count("rows 2 against 1") == 1
