"""Extracts of ordinary tables: whole or by cursor, read only, once each, nothing lost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from connectors.arrivals import arrivals
from connectors.databases.database import open_database
from connectors.databases.extract_landing import ExtractCursor
from connectors.errors import InterfaceMismatch, LandingFailed, SourceUnreachable
from cubes.errors import DeclarationError
from tests.connectors.conftest import SHOP, Home
from tests.connectors.partner_tables import land, make_table, sale, shop, store
from tests.peers.databases import Peer, database_peer

COLUMNS = {
    **{
        name: {key: value for key, value in column.items() if key != "format"}
        for name, column in SHOP["streams"]["sales"]["columns"].items()
    },
    "changed_at": {"type": "timestamp"},
    "state": {"type": "string"},
}
CURSOR = {"column": "changed_at", "look_back": "2 hours"}
DELETED = {"column": "state", "values": ["void"]}
SHOWN = "sale_no, amount, _op"


@pytest.fixture
def peer(peer: Peer) -> Peer:
    make_table(peer)
    return peer


@pytest.fixture
def server(server: Peer) -> Peer:
    make_table(server)
    return server


def by_cursor(home: Home, peer: Peer, **more: Any) -> Any:
    given = {"columns": COLUMNS, "cursor": CURSOR, "deleted": DELETED, **more}
    return shop(home, peer, type_="extract", **given)


def whole(home: Home, peer: Peer, **more: Any) -> Any:
    return shop(home, peer, type_="extract", columns=COLUMNS, mode="full", **more)


def row(
    number: int, *, at: str = "2026-03-30 10:00:00", state: str = "ok", **more: Any
) -> tuple[Any, ...]:
    return (*sale(number, **more), at, state)


def cursor_of(home: Home) -> ExtractCursor:
    (found,) = home.ledger.rows.select(ExtractCursor, "select * from extract_cursor", [])
    return found


def test_by_cursor_only_what_is_new_lands(home: Home, peer: Peer) -> None:
    store(peer, row(1), row(2, at="2026-03-30 12:00:00"))
    contract = by_cursor(home, peer)
    (first,) = land(home, contract)
    assert (first.rows, first.loaded) == (2, 2)
    assert cursor_of(home) == ExtractCursor(
        "shop", "sales", "2026-03-30 04:00:00", str(first.batch_id)
    )
    assert land(home, contract) == []
    store(peer, row(3, at="2026-03-30 11:00:00"), row(4, at="2026-03-30 09:00:00"))
    (second,) = land(home, contract)
    # The row within the look-back is found although it is older than the cursor.
    assert (second.rows, second.loaded) == (1, 1)
    assert [one[0] for one in home.rows("sale_no")] == ["S1", "S2", "S3"]
    assert land(home, contract) == []


def test_a_changed_row_is_a_new_version_and_an_unchanged_one_is_not(home: Home, peer: Peer) -> None:
    store(peer, row(1), row(2))
    contract = by_cursor(home, peer)
    land(home, contract)
    for amount in ("11.00", "10.00", "11.00"):
        # The time of change stands still, as with a source that writes only the day.
        store(peer, row(1, amount=amount))
        (delivery,) = land(home, contract)
        assert delivery.rows == 1
    assert len(home.rows()) == 5
    assert land(home, contract) == []


def test_a_row_called_deleted_becomes_a_tombstone(home: Home, peer: Peer) -> None:
    store(peer, row(1), row(2))
    contract = by_cursor(home, peer)
    land(home, contract)
    store(peer, row(1, at="2026-03-30 10:30:00", state="void", amount=None))
    (delivery,) = land(home, contract)
    assert (delivery.loaded, delivery.code) == (1, "deletion")
    assert home.rows(SHOWN)[0] == ("S1", Decimal("10.00"), "I")
    assert ("S1", None, "D") in home.rows(SHOWN)
    assert land(home, contract) == []


def test_rows_without_a_time_of_change_are_never_passed_by(home: Home, peer: Peer) -> None:
    store(peer, row(1), (*sale(2), None, "ok"))
    contract = by_cursor(home, peer)
    land(home, contract)
    store(peer, (*sale(3), None, "ok"))
    (delivery,) = land(home, contract)
    assert delivery.rows == 1 and len(home.rows()) == 3
    assert land(home, contract) == []


def test_a_time_of_a_far_future_hides_nothing(home: Home, peer: Peer) -> None:
    store(peer, row(1, at="2999-12-31 00:00:00"))
    contract = by_cursor(home, peer)
    land(home, contract)
    assert cursor_of(home).value == "2026-03-31 01:00:00"
    store(peer, row(2, at="2026-03-31 08:00:00"))
    (delivery,) = land(home, contract)
    assert delivery.rows == 1 and land(home, contract) == []


def test_a_faulty_row_goes_to_quarantine_once(home: Home, peer: Peer) -> None:
    store(peer, row(1), row(2, amount="-5.00", phone="13900009999"))
    contract = by_cursor(home, peer)
    (first,) = land(home, contract)
    assert (first.loaded, first.rejected) == (1, 1)
    assert land(home, contract) == []
    store(peer, row(3))
    (second,) = land(home, contract)
    assert (second.rows, second.rejected) == (1, 0)
    assert len(home.ledger.quarantine()) == 1


def test_the_whole_table_replaces_the_one_before(home: Home, peer: Peer) -> None:
    store(peer, *(row(number) for number in range(10)))
    contract = whole(home, peer)
    (first,) = land(home, contract)
    assert (first.loaded, str(first.business_date)) == (10, "2026-03-30")
    assert land(home, contract) == []
    peer.run(f"delete from {peer.table('sales')} where sale_no = 'S3'")
    store(peer, row(4, amount="40.00"))
    land(home, contract)
    assert len(home.rows()) == 9
    assert ("S4", Decimal("40.00"), "I") in home.rows(SHOWN)
    # What was there once and comes back is a delivery of its own.
    store(peer, row(3), row(4))
    land(home, contract)
    assert len(home.rows()) == 10
    statuses = sorted(batch.status for batch in home.ledger.batches())
    assert statuses == ["loaded", "superseded", "superseded"]


def test_a_table_that_shrank_is_refused_until_it_is_whole_again(home: Home, peer: Peer) -> None:
    store(peer, *(row(number) for number in range(10)))
    contract = whole(home, peer)
    land(home, contract)
    peer.run(f"delete from {peer.table('sales')}")
    (refused,) = land(home, contract)
    assert (refused.status, refused.code) == ("refused", "shrunk")
    assert land(home, contract) == [] and len(home.rows()) == 10
    store(peer, *(row(number) for number in range(12)))
    (delivery,) = land(home, contract)
    assert delivery.loaded == 12 == len(home.rows())


def test_an_empty_table_is_read_to_its_end_and_makes_no_batch(home: Home, peer: Peer) -> None:
    assert land(home, whole(home, peer)) == [] == home.ledger.batches()
    assert home.ledger.last_reads() == {("shop", "sales"): home.now}


@pytest.mark.parametrize("step", ["read", "announced", "parquet", "loaded"])
@pytest.mark.parametrize("kind", ["whole", "cursor"])
def test_an_extract_cut_short_anywhere_is_whole_after_the_next(
    home: Home, peer: Peer, step: str, kind: str
) -> None:
    contract = whole(home, peer) if kind == "whole" else by_cursor(home, peer)
    store(peer, row(1), row(2, amount="-1.00"))

    def fail(name: str) -> None:
        if name == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        land(home, contract, at=fail)
    land(home, contract)
    (batch,) = home.ledger.batches()
    assert (batch.status, batch.rows_loaded, batch.rejected) == ("loaded", 1, 1)
    assert home.rows(SHOWN) == [("S1", Decimal("10.00"), "I")]
    store(peer, row(3))
    land(home, contract)
    assert [one[0] for one in home.rows("sale_no")] == ["S1", "S3"]


def test_only_the_columns_of_the_contract_are_read(home: Home, server: Peer) -> None:
    store(server, row(1))
    server.run(f"alter table {server.table('sales')} add column customer_secret varchar(20)")
    if server.kind == "postgresql":
        role = f"{server.schema}_reader"
        server.run(f"create role {role} login")
        try:
            server.run(f"grant usage on schema {server.schema} to {role}")
            server.run(
                f"grant select (sale_no, phone, amount, sold_at, note, changed_at, state) "
                f"on {server.table('sales')} to {role}"
            )
            location = server.location.replace("//postgres@", f"//{role}@")
            contract = by_cursor(home, server, interface={"location": location})
            (delivery,) = land(home, contract)
            assert delivery.loaded == 1
        finally:
            server.run(f"drop owned by {role}")
            server.run(f"drop role {role}")
    else:
        (delivery,) = land(home, by_cursor(home, server))
        assert delivery.loaded == 1


def test_the_session_of_an_extract_cannot_write(home: Home, peer: Peer) -> None:
    engine = open_database(peer.location, home.path, read_only=True)
    with pytest.raises(SQLAlchemyError), engine.begin() as session:
        session.execute(sa.text(f"delete from {peer.table('sales')}"))
    engine.dispose()


def test_reading_keeps_to_the_agreed_pace(home: Home, peer: Peer) -> None:
    from connectors.databases.extract import ExtractTable

    store(peer, *(row(number) for number in range(100)))
    contract = by_cursor(home, peer)
    engine = open_database(peer.location, home.path, read_only=True)
    table = ExtractTable(engine, "sales", contract.streams["sales"], zone="Asia/Shanghai")
    slept: list[float] = []
    import duckdb

    with duckdb.connect() as connection:
        rows, _ = table.load(
            connection, since=None, fetch_size=10, rows_per_second=50, sleep=slept.append
        )
    engine.dispose()
    assert rows == 100 and sum(slept) == pytest.approx(2.0)


def test_a_database_gone_in_the_middle_leaves_nothing_half(home: Home, server: Peer) -> None:
    store(server, *(row(number, note="x" * 2000) for number in range(2000)))
    contract = by_cursor(home, server, interface={"fetch_size": 10, "rows_per_second": 1_000_000})
    from connectors.databases import extract_landing
    from connectors.landing import Landing

    cuts = 0

    def cut(_seconds: float) -> None:
        nonlocal cuts
        if cuts == 0:
            cuts = server.kill_others()

    def landing() -> Any:
        import duckdb

        return Landing(
            contract,
            home.path,
            home.ledger,
            home.pii,
            duckdb.connect(),
            home.now,
            "Asia/Shanghai",
            home.at,
        )

    try:
        list(extract_landing.land_extract(landing(), sleep=cut))
    except SourceUnreachable as error:
        assert home.ledger.batches() == [] and "failed" in str(error)
    assert cuts >= 1
    land(home, contract)
    assert len(home.rows("distinct sale_no")) == 2000 == len(home.rows("sale_no"))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"cursor": {"column": "note"}}, "must be a date, a timestamp or a number"),
        ({"cursor": {"column": "amount", "look_back": "2 days"}}, "only to a cursor of dates"),
        ({"cursor": {"column": "sale"}}, "unknown column 'sale'"),
        ({"mode": "full"}, "either 'full' or has a 'cursor'"),
        ({"table": None}, "needs 'table'"),
        ({"every": "0m"}, "every"),
        ({"every": "2 hours"}, "every"),
    ],
)
def test_a_contract_says_what_cannot_be_extracted(
    home: Home, change: dict[str, Any], fault: str
) -> None:
    with database_peer("sqlite", home.path) as peer, pytest.raises(DeclarationError) as caught:
        by_cursor(home, peer, **change)
    assert fault in str(caught.value)


def test_only_an_extract_says_how_often_it_is_read(home: Home) -> None:
    with database_peer("sqlite", home.path) as peer, pytest.raises(DeclarationError) as caught:
        shop(home, peer, every="1h")
    assert "every: belongs only to 'type: extract'" in str(caught.value)


def test_times_that_do_not_sort_as_text_are_no_cursor(home: Home) -> None:
    with database_peer("sqlite", home.path) as peer:
        make_table(peer)
        columns = {**COLUMNS, "changed_at": {"type": "timestamp", "format": "%d.%m.%Y %H:%M"}}
        with pytest.raises(InterfaceMismatch, match="not ordered as text"):
            land(home, by_cursor(home, peer, columns=columns))


def test_numbers_move_a_cursor_too(home: Home, peer: Peer) -> None:
    peer.run(f"create table {peer.table('log')} (sale_no varchar(9) primary key, version bigint)")
    table = peer.table("log")
    peer.run(f"insert into {table} (sale_no, version) values (?, ?)", ("A", 9), ("B", 10))
    contract = shop(
        home,
        peer,
        type_="extract",
        columns={"sale_no": {"type": "string"}, "version": {"type": "bigint"}},
        business_date_from=None,
        table=table,
        cursor={"column": "version"},
    )
    land(home, contract)
    assert cursor_of(home).value == "10"
    peer.run(f"insert into {table} (sale_no, version) values (?, ?)", ("C", 11), ("D", 10))
    peer.run(f"update {table} set version = 100 where sale_no = 'A'")
    (delivery,) = land(home, contract)
    assert delivery.rows == 3 and cursor_of(home).value == "100"


def test_a_cursor_by_instants_reads_the_same_in_every_zone(home: Home) -> None:
    with database_peer("postgresql", home.path) as peer:
        peer.run(
            f"create table {peer.table('log')} (sale_no text primary key, changed_at timestamptz)"
        )
        table = peer.table("log")
        peer.run(f"insert into {table} values ('A', '2026-03-30 08:00:00+08')")
        contract = shop(
            home,
            peer,
            type_="extract",
            columns={
                "sale_no": {"type": "string"},
                "changed_at": {"type": "timestamp", "tz": "America/New_York"},
            },
            business_date_from=None,
            table=table,
            cursor={"column": "changed_at", "look_back": "1 hours"},
        )
        land(home, contract)
        assert cursor_of(home).value == "2026-03-30 00:00:00"
        peer.run(f"insert into {table} values ('B', '2026-03-29 23:00:00+00')")
        peer.run(f"insert into {table} values ('C', '2026-03-29 22:59:59+00')")
        (delivery,) = land(home, contract)
        assert delivery.rows == 1
        assert home.rows("sale_no, changed_at::varchar") == [
            ("A", "2026-03-30 00:00:00"),
            ("B", "2026-03-29 23:00:00"),
        ]


def test_a_file_that_is_no_database_is_told_without_its_bytes(home: Home) -> None:
    with database_peer("sqlite", home.path) as peer:
        path = home.path / "partner/partner.db"
        path.write_bytes(b"13800001111" * 500)
        with pytest.raises((SourceUnreachable, LandingFailed), match="SQLITE_NOTADB") as caught:
            land(home, by_cursor(home, peer))
    assert "1380000" not in str(caught.value)


def test_a_database_that_is_missing_is_told(home: Home) -> None:
    with database_peer("sqlite", home.path) as peer:
        contract = by_cursor(home, peer)
        (home.path / "partner/partner.db").unlink()
        with pytest.raises(SourceUnreachable, match="there is no such file"):
            land(home, contract)


def test_an_extract_is_due_by_the_clock_and_the_source_is_not_asked(home: Home) -> None:
    with database_peer("sqlite", home.path) as peer:
        make_table(peer)
        contract, daily = by_cursor(home, peer), whole(home, peer, cursor=None, deleted=None)

    def due(which: Any, hours: float) -> tuple[str, ...]:
        return arrivals(
            which,
            home=home.path,
            ledger=home.ledger,
            now=home.now + timedelta(hours=hours),
            zone="Asia/Shanghai",
        )

    (home.path / "partner/partner.db").unlink()
    assert due(contract, 0) == ("sales",) == due(daily, 0)
    home.ledger.note_look("shop", "sales", now=home.now)
    assert due(contract, 0.9) == () == due(daily, 14.9)
    # It is nine in the morning; the next day begins fifteen hours later.
    assert due(contract, 1) == ("sales",) == due(daily, 15)


def test_an_extract_is_read_as_often_as_its_contract_says_and_not_sooner(home: Home) -> None:
    with database_peer("sqlite", home.path) as peer:
        make_table(peer)
        store(peer, row(1))
        contract = by_cursor(home, peer, every="15m")
        every_other_day = whole(home, peer, cursor=None, deleted=None, every="2d")
        land(home, contract)
        store(peer, row(2))

        def after(**passed: float) -> dict[str, Any]:
            return {"now": home.now + timedelta(**passed)}

        def due(which: Any, **passed: float) -> bool:
            given = {"home": home.path, "ledger": home.ledger, "zone": "Asia/Shanghai"}
            return arrivals(which, **given, **after(**passed)) == ("sales",)

        assert not due(contract, minutes=14) and due(contract, minutes=15)
        assert land(home, contract, **after(minutes=14)) == []
        (delivery,) = land(home, contract, **after(minutes=15))
        assert delivery.rows == 1
        # It is nine in the morning: the day after tomorrow begins in 39 hours.
        assert not due(every_other_day, hours=38.9) and due(every_other_day, hours=39)


def test_a_clock_that_was_ahead_once_stops_no_extract(home: Home) -> None:
    with database_peer("sqlite", home.path) as peer:
        make_table(peer)
        store(peer, row(1))
        contract = by_cursor(home, peer, every="1d")
        land(home, contract, now=home.now + timedelta(days=400))
        store(peer, row(2))
        (delivery,) = land(home, contract)
        assert (delivery.status, delivery.rows) == ("loaded", 1)
        # From now on the right clock tells when it was read.
        store(peer, row(3))
        assert land(home, contract, now=home.now + timedelta(hours=1)) == []


@pytest.mark.parametrize("kind", ["whole", "cursor"])
def test_a_refused_extract_is_not_due_before_its_time(home: Home, kind: str) -> None:
    with database_peer("sqlite", home.path) as peer:
        make_table(peer)
        make, hours = (whole, 15) if kind == "whole" else (by_cursor, 1)
        contract = make(home, peer, reject_limit={"rows": 0})
        store(peer, row(1, amount="much"))
        (delivery,) = land(home, contract)
        assert delivery.code == "reject_limit"

        def due(after: float) -> tuple[str, ...]:
            now = home.now + timedelta(hours=after)
            return arrivals(
                contract, home=home.path, ledger=home.ledger, now=now, zone="Asia/Shanghai"
            )

        assert due(hours - 0.1) == ()
        assert due(hours) == ("sales",)
        assert home.ledger.last_reads() == {}
        home.ledger.reopen(str(delivery.batch_id))
        assert due(0.1) == ("sales",)


def test_versions_of_one_moment_come_one_after_the_other(home: Home) -> None:
    with database_peer("sqlite", home.path) as peer:
        make_table(peer)
        contract = by_cursor(home, peer)
        for amount in ("10.00", "11.00", "12.00"):
            store(peer, row(1, amount=amount))
            land(home, contract)
        found = home.rows("amount, _recorded_at")
        amounts = [one[0] for one in sorted(found, key=lambda one: one[1])]
        assert amounts == [Decimal("10.00"), Decimal("11.00"), Decimal("12.00")]
        assert len({one[1] for one in found}) == 3


def test_files_of_batches_outside_the_window_are_not_opened(home: Home) -> None:
    with database_peer("sqlite", home.path) as peer:
        make_table(peer)
        contract = by_cursor(home, peer)
        store(peer, row(1, at="2026-03-20 10:00:00"))
        (first,) = land(home, contract)
        store(peer, row(2, at="2026-03-29 10:00:00"))
        land(home, contract)
        batch = home.ledger.batch(str(first.batch_id))
        assert batch is not None and batch.path is not None
        (home.path / batch.path).write_bytes(b"no Parquet")
        store(peer, row(3, at="2026-03-29 10:30:00"))
        (third,) = land(home, contract)
        assert (third.rows, third.loaded) == (1, 1)
