"""Flag tables on the three databases: claimed, landed, marked, and nothing lost or doubled."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.arrivals import arrivals
from connectors.databases.database import open_database
from connectors.databases.flag_tables import FlagTable
from connectors.databases.table_landing import ROWS_PER_CLAIM, claim_limit
from connectors.databases.table_reading import SeenRows
from connectors.errors import InterfaceMismatch, SourceUnreachable
from pipelines.delivery_history import Choice, history
from tests.connectors.conftest import Home
from tests.connectors.partner_tables import (
    flags,
    land,
    make_flag_table,
    offer,
    sale,
    shop,
)
from tests.peers.databases import Peer

KINDS = ("sqlite", "postgresql", "mariadb")
SERVERS = ("postgresql", "mariadb")
ROOT = Path(__file__).resolve().parents[2]


def failing_at(step: str) -> Any:
    def fail(name: str) -> None:
        if name == step:
            raise KeyboardInterrupt

    return fail


def test_rows_land_once_and_are_marked_done_or_as_errors(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    offer(peer, sale(1), sale(2, amount="-1.00"), sale(3, phone=None, note=None))
    offer(peer, sale(1, phone=None, amount=None, note=None), op="D")
    offer(peer, sale(3, amount="0.30"), op="u")
    contract = shop(home, peer)
    (delivery,) = land(home, contract)
    assert (delivery.rows, delivery.loaded, delivery.rejected) == (5, 4, 1)
    assert str(delivery.business_date) == "2026-03-30"
    assert home.rows("_record_no, sale_no, amount, sold_at::varchar, _op, note") == [
        (1, "S1", Decimal("10.00"), "2026-03-30 00:00:00", "I", "好"),
        (3, "S3", Decimal("10.00"), "2026-03-30 00:00:00", "I", None),
        (4, "S1", None, "2026-03-30 00:00:00", "D", None),
        (5, "S3", Decimal("0.30"), "2026-03-30 00:00:00", "U", "好"),
    ]
    assert flags(peer, "ifc_status, ifc_error") == [
        (2, None),
        (9, "malformed_row: amount below_minimum"),
        (2, None),
        (2, None),
        (2, None),
    ]
    (confirmation,) = home.ledger.confirmations()
    assert (confirmation.batch_id, confirmation.result) == (delivery.batch_id, "partial")
    assert land(home, contract) == []


def test_a_phone_leaves_a_pseudonym_and_nothing_of_itself(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    offer(peer, sale(1), sale(2, amount="x" if peer.kind == "sqlite" else "-1"))
    land(home, shop(home, peer))
    (path,) = [home.path / str(batch.path) for batch in home.ledger.batches()]
    assert b"13800001111" not in path.read_bytes()
    assert b"13800001111" not in (home.path / "ledger.db").read_bytes()


def test_a_batch_with_too_many_faults_is_refused_and_all_its_rows_say_so(
    home: Home, peer: Peer
) -> None:
    make_flag_table(peer)
    offer(peer, *(sale(number, amount="-1") for number in range(4)), sale(9))
    contract = shop(home, peer)
    (delivery,) = land(home, contract)
    assert (delivery.status, delivery.code) == ("refused", "reject_limit")
    reason = "reject_limit: 4 of 5 rows break the contract"
    assert flags(peer, "ifc_status, ifc_error") == [(9, reason)] * 5
    assert home.rows() == [] and land(home, contract) == []


@pytest.mark.parametrize(
    "step", ["claimed", "pii", "announced", "parquet_temporary", "parquet", "loaded", "marked"]
)
def test_a_claim_left_behind_is_resumed_under_its_token(home: Home, peer: Peer, step: str) -> None:
    make_flag_table(peer)
    offer(peer, sale(1), sale(2, amount="-1"))
    contract = shop(home, peer)
    with pytest.raises(KeyboardInterrupt):
        land(home, contract, at=failing_at(step))
    (token,) = set(flags(peer, "ifc_batch"))
    offer(peer, sale(3))
    land(home, contract)
    first, second = sorted(home.ledger.batches(), key=lambda batch: -batch.rows)
    assert (first.batch_id, first.status, first.rows_loaded) == (token, "loaded", 1)
    assert second.rows == 1
    assert [row[0] for row in home.rows("sale_no")] == ["S1", "S3"]
    assert flags(peer) == [2, 9, 2]
    results = {one.batch_id: one.result for one in home.ledger.confirmations()}
    assert results == {first.batch_id: "partial", second.batch_id: "ok"}
    assert land(home, contract) == []
    # Rows that were marked before the end are nothing to take up again.
    told = history(home.ledger, Choice(code="resumed_claim"))
    assert [(one.place, one.status) for one in told] == (
        [] if step == "marked" else [(peer.table("ifc_sales"), "settled")]
    )
    assert [one.event and one.event.batch_id for one in told] == [token for _ in told]


def test_a_home_that_was_moved_resumes_its_claims(
    home: Home, sqlite: Peer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make_flag_table(sqlite)
    offer(sqlite, sale(1))
    with pytest.raises(KeyboardInterrupt):
        land(home, shop(home, sqlite), at=failing_at("claimed"))
    moved = tmp_path_factory.mktemp("elsewhere") / "home"
    location = f"sqlite:///{home.path / 'partner/partner.db'}"
    contract = shop(home, replace(sqlite, location=location))
    home.path.rename(moved)
    home.path.mkdir()
    (moved / "partner").rename(home.path / "partner")
    home.path = moved
    (delivery,) = land(home, contract)
    assert delivery.loaded == 1 and flags(sqlite) == [2]


def test_two_processes_never_take_the_same_row(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    offer(peer, *(sale(number) for number in range(300)))
    shop(home, peer)
    yml = home.path / "sources" / peer.kind / "shop.yml"
    workers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.connectors.landing_process",
                str(home.path),
                str(yml),
                "claim",
                name,
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two", "three")
    ]
    for worker in workers:
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    taken: Counter[int] = Counter()
    for worker in workers:
        assert worker.stdout is not None
        taken.update(int(line) for line in worker.stdout)
        assert worker.wait() == 0
    assert set(taken.values()) == {1} and len(taken) == 300
    # Every row carries the token under which it was read.
    assert None not in flags(peer, "ifc_batch")


def test_a_claim_of_another_worker_is_left_alone_until_it_is_stale(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    offer(peer, sale(1))
    stream = shop(home, peer).streams["sales"]
    engine = open_database(peer.location, home.path)
    token = FlagTable(engine, "sales", stream, worker="other").claim(
        limit=10, ordinal=0, now=home.now
    )
    mine = FlagTable(engine, "sales", stream, worker="mine")
    stale = timedelta(minutes=30)
    before = home.now + stale - timedelta(seconds=1)
    assert mine.left_behind(now=before, stale_after=stale) == []
    assert mine.left_behind(now=home.now + stale, stale_after=stale) == [token]
    engine.dispose()


def test_a_stale_claim_of_another_home_is_landed_under_its_token(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    offer(peer, sale(1), sale(2))
    contract = shop(home, peer)
    engine = open_database(peer.location, home.path)
    other = FlagTable(engine, "sales", contract.streams["sales"], worker="other")
    token = other.claim(limit=1, ordinal=0, now=home.now)
    engine.dispose()
    deliveries = land(home, contract, now=home.now + timedelta(hours=1))
    assert deliveries[0].batch_id == token and len(deliveries) == 2
    assert flags(peer) == [2, 2]


def test_tables_of_two_sources_may_have_one_name_and_be_read_in_the_same_second(
    home: Home, sqlite: Peer
) -> None:
    make_flag_table(sqlite)
    offer(sqlite, sale(1))
    contract = shop(home, sqlite)
    land(home, contract)
    sqlite.run("update ifc_sales set ifc_status = 0, ifc_batch = null")
    (delivery,) = land(home, contract.model_copy(update={"source": "stall"}))
    assert (delivery.source, delivery.status, delivery.loaded) == ("stall", "loaded", 1)


def test_a_row_that_the_source_takes_back_is_told_and_landed_anew(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    offer(peer, sale(1), sale(2))
    contract = shop(home, peer)
    table = peer.table("ifc_sales")

    def take_back(step: str) -> None:
        if step == "loaded" and len(home.ledger.batches()) == 1:
            peer.run(f"update {table} set amount = 99, ifc_status = 0 where sale_no = 'S2'")

    first, second = land(home, contract, at=take_back)
    assert (first.rows, second.rows) == (2, 1)
    (event,) = home.ledger.exchange_events(code="changed_claim")
    assert event.batch_id == first.batch_id and event.detail.startswith("1 of 2 rows")
    assert home.rows("sale_no, amount") == [
        ("S1", Decimal("10.00")),
        ("S2", Decimal("10.00")),
        ("S2", Decimal("99.00")),
    ]
    assert flags(peer) == [2, 2]


def test_rows_that_no_claim_can_settle_are_told_once(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    offer(peer, *(sale(number) for number in range(4)))
    table = peer.table("ifc_sales")
    peer.run(f"update {table} set ifc_status = 7 where sale_no = 'S0'")
    peer.run(f"update {table} set ifc_status = 1 where sale_no = 'S1'")
    peer.run(f"update {table} set ifc_status = 1, ifc_batch = '../x' where sale_no = 'S2'")
    contract = shop(home, peer)
    landed, told = land(home, contract)
    assert landed.rows == 1
    assert told.code == "unknown_flag" and str(told.reason).startswith("3 rows")
    assert land(home, contract) == []
    assert flags(peer) == [7, 1, 1, 2]


def test_an_operation_that_nobody_agreed_on_rejects_its_row(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    offer(peer, sale(1), op="X")
    offer(peer, sale(2), op=" ")
    (delivery,) = land(home, shop(home, peer))
    assert (delivery.loaded, delivery.rejected) == (1, 1)
    assert flags(peer, "ifc_error")[0] == "malformed_row: record unknown_operation"


def test_many_faults_of_many_kinds_are_marked_row_by_row(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    faulty = [sale(number, amount="-1") for number in range(700)]
    missing = [sale(number, amount=None) for number in range(700, 800)]
    offer(peer, *faulty, *missing, *(sale(number) for number in range(800, 1200)))
    contract = shop(home, peer, reject_limit={"rows": 1000, "share": 1})
    (delivery,) = land(home, contract)
    assert delivery.rejected == 800
    assert Counter(flags(peer, "ifc_status, ifc_error")) == {
        (9, "malformed_row: amount below_minimum"): 700,
        (9, "malformed_row: amount missing_value"): 100,
        (2, None): 400,
    }


def test_names_are_quoted_whatever_they_are(home: Home, server: Peer) -> None:
    mark = '"' if server.kind == "postgresql" else "`"
    names = ['Select "%s" :x', "客户 编号", "Order"]
    quoted = [f"{mark}{name.replace(mark, mark * 2)}{mark}" for name in names]
    ddl = ", ".join(f"{name.replace('%', '%%')} varchar(20)" for name in quoted)
    engine = server.engine
    with engine.begin() as session:
        place = f"{server.schema}." if server.schema else ""
        table = f"{place}{mark}Ifc Sales{mark}"
        serial = (
            "bigint generated by default as identity"
            if server.kind == "postgresql"
            else "bigint auto_increment"
        )
        flag = "ifc_batch varchar(64), ifc_error varchar(99), ifc_op char(1) default 'I'"
        session.exec_driver_sql(
            f"create table {table} ({ddl}, ifc_seq {serial} primary key, ifc_status smallint "
            f"default 0, ifc_claimed_at varchar(30), ifc_processed_at varchar(30), {flag})",
            (),
        )
        session.exec_driver_sql(
            f"insert into {table} ({', '.join(quoted).replace('%', '%%')}) "
            "values ('1%%', '二', '''')",
            (),
        )
    columns = {
        key: {"type": "string", "from": name}
        for key, name in zip(("sale_no", "customer", "sold"), names, strict=True)
    }
    contract = shop(
        home,
        server,
        columns=columns,
        table=server.table("Ifc Sales"),
        business_date_from=None,
    )
    (delivery,) = land(home, contract)
    assert delivery.loaded == 1
    assert home.rows("sale_no, customer, sold") == [("1%", "二", "'")]


def test_a_missing_table_column_or_right_is_told(home: Home, peer: Peer) -> None:
    contract = shop(home, peer)
    with pytest.raises(InterfaceMismatch, match="does not exist"):
        land(home, contract)
    make_flag_table(peer)
    peer.run(f"alter table {peer.table('ifc_sales')} drop column note")
    peer.run(f"alter table {peer.table('ifc_sales')} drop column ifc_error")
    with pytest.raises(InterfaceMismatch, match="it lacks note, ifc_error"):
        land(home, contract)
    assert home.ledger.batches() == []


def test_arrivals_name_a_table_that_has_new_or_unfinished_rows(home: Home, peer: Peer) -> None:
    make_flag_table(peer)
    contract = shop(home, peer)

    def offered() -> tuple[str, ...]:
        return arrivals(contract, home=home.path, ledger=home.ledger, now=home.now)

    name = peer.table("ifc_sales")
    assert offered() == ()
    offer(peer, sale(1))
    assert offered() == (name,)
    with pytest.raises(KeyboardInterrupt):
        land(home, contract, at=failing_at("claimed"))
    assert offered() == (name,)
    land(home, contract)
    assert offered() == ()


@pytest.mark.parametrize("step", ["claimed", "announced", "loaded"])
def test_a_database_that_goes_in_the_middle_is_told_and_the_next_run_completes(
    home: Home, server: Peer, step: str
) -> None:
    make_flag_table(server)
    offer(server, *(sale(number) for number in range(50)))
    contract = shop(home, server)

    def cut(name: str) -> None:
        if name == step:
            server.kill_others()

    try:
        land(home, contract, at=cut)
    except SourceUnreachable as error:
        assert "1380000" not in str(error)
    land(home, contract)
    assert len(home.rows("distinct sale_no")) == 50 == len(home.rows("sale_no"))
    assert set(flags(server)) == {2}


# What each database hands over


WIDE = {
    "sale_no": {"type": "string", "required": True},
    "amount": {"type": "decimal(18,2)"},
    "count": {"type": "bigint"},
    "day": {"type": "date"},
    "moment": {"type": "timestamp"},
    "instant": {"type": "timestamp"},
    "good": {"type": "boolean"},
    "text": {"type": "string"},
    "blob": {"type": "string"},
}
WIDE_SHOWN = (
    "sale_no, amount, count, day::varchar, moment::varchar, instant::varchar, good, text, blob"
)


def offer_wide(peer: Peer, types: str, *rows: tuple[Any, ...]) -> None:
    make_flag_table(peer, columns=types)
    names = ", ".join(WIDE)
    marks = ", ".join("?" for _ in WIDE)
    peer.run(f"insert into {peer.table('ifc_sales')} ({names}) values ({marks})", *rows)


def test_postgresql_hands_over_every_type_exactly(home: Home, postgres: Peer) -> None:
    offer_wide(
        postgres,
        "sale_no char(6), amount numeric(30,4), count numeric(20,0), day date, "
        "moment timestamp(6), instant timestamptz, good boolean, text jsonb, blob bytea",
        (
            "A",
            "9999999999999999.99",
            2**53 + 1,
            "2024-02-29",
            "2026-03-30 23:59:59.123456",
            "2026-03-30 08:00:00+08",
            True,
            '{"a": "引\\"号"}',
            None,
        ),
        ("B", None, None, None, None, None, None, None, None),
        (
            "C",
            "1.2300",
            0,
            "0001-01-01",
            "0001-01-01 00:00:00",
            "2026-01-01 00:00:00+00",
            False,
            "[]",
            None,
        ),
        ("D", "1.2345", 1, None, None, None, None, None, None),
        ("E", None, None, None, "infinity", None, None, None, None),
        ("F", None, None, "0044-03-15 BC", None, None, None, None, None),
        ("G", None, None, None, "0044-03-15 10:00:00 BC", None, None, None, None),
        ("H", None, None, None, None, None, None, None, b"abc"),
    )
    land(
        home,
        shop(
            home,
            postgres,
            columns=WIDE,
            business_date_from=None,
            reject_limit={"rows": 9, "share": 1},
        ),
    )
    assert home.rows(WIDE_SHOWN)[:2] == [
        (
            "A",
            Decimal("9999999999999999.99"),
            2**53 + 1,
            "2024-02-29",
            "2026-03-30 15:59:59.123456",
            "2026-03-30 00:00:00",
            True,
            '{"a": "引\\"号"}',
            None,
        ),
        ("B", None, None, None, None, None, None, None, None),
    ]
    assert [row[0] for row in home.rows("sale_no")] == ["A", "B", "C"]
    assert [(row.line, row.column_name, row.reason) for row in home.ledger.quarantine()] == [
        (4, "amount", "not_a_decimal"),
        (5, "moment", "not_a_timestamp"),
        (6, "day", "not_a_date"),
        (7, "moment", "not_a_timestamp"),
        (8, None, "broken_encoding"),
    ]


def test_mariadb_hands_over_every_type_exactly(home: Home, mariadb: Peer) -> None:
    mariadb.run("set global sql_mode = @@global.sql_mode")
    session = mariadb.engine.raw_connection()
    cursor = session.cursor()
    make_flag_table(
        mariadb,
        columns="sale_no char(6), amount decimal(30,4), count bigint unsigned, day date, "
        "moment datetime(6), instant timestamp null, good bit(1), "
        "text varchar(200) character set gbk, `blob` blob",
    )
    cursor.execute("set session sql_mode = '', time_zone = '+08:00'")
    cursor.executemany(
        "insert into ifc_sales (sale_no, amount, count, day, moment, instant, good, text, `blob`) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (
                "A",
                "9999999999999999.99",
                2**53 + 1,
                "2024-02-29",
                "2026-03-30 23:59:59.123456",
                "2026-03-30 08:00:00",
                1,
                "引'号\\",
                None,
            ),
            ("B", None, None, None, None, None, None, None, None),
            ("C", "100.0000", 0, "1000-01-01", "1000-01-01 00:00:00", None, 0, "", None),
            ("D", "1.2345", 1, None, None, None, None, None, None),
            ("E", None, None, "0000-00-00", None, None, None, None, None),
            ("F", None, None, None, "0000-00-00 00:00:00", None, None, None, None),
            ("G", None, None, None, None, None, None, "a\0b", None),
            ("H", None, None, None, None, None, None, None, b"abc"),
            ("I", None, 2**64 - 1, None, None, None, None, None, None),
            ("J", None, None, "2026-02-31", None, None, None, None, None),
        ],
    )
    session.commit()
    session.close()
    land(
        home,
        shop(
            home,
            mariadb,
            columns=WIDE,
            business_date_from=None,
            reject_limit={"rows": 9, "share": 1},
        ),
    )
    assert home.rows(WIDE_SHOWN) == [
        (
            "A",
            Decimal("9999999999999999.99"),
            2**53 + 1,
            "2024-02-29",
            "2026-03-30 15:59:59.123456",
            "2026-03-30 00:00:00",
            True,
            "引'号\\",
            None,
        ),
        ("B", None, None, None, None, None, None, None, None),
        ("C", Decimal("100.00"), 0, "1000-01-01", "0999-12-31 15:54:17", None, False, None, None),
    ]
    assert [(row.line, row.column_name, row.reason) for row in home.ledger.quarantine()] == [
        (4, "amount", "not_a_decimal"),
        (5, "day", "not_a_date"),
        (6, "moment", "not_a_timestamp"),
        (7, None, "nul_byte"),
        (8, None, "broken_encoding"),
        (9, "count", "not_an_integer"),
        (10, "day", "not_a_date"),
    ]


def test_a_time_of_day_is_not_cut_off_a_date(home: Home, server: Peer) -> None:
    moment = "timestamp" if server.kind == "postgresql" else "datetime"
    make_flag_table(server, columns=f"sale_no varchar(9), day {moment}")
    server.run(
        f"insert into {server.table('ifc_sales')} (sale_no, day) values (?, ?)",
        ("A", "2026-03-30 00:00:00"),
        ("B", "2026-03-30 00:00:01"),
    )
    columns = {"sale_no": {"type": "string"}, "day": {"type": "date"}}
    land(home, shop(home, server, columns=columns, business_date_from="day"))
    assert home.rows("sale_no, day::varchar") == [("A", "2026-03-30")]
    assert [row.reason for row in home.ledger.quarantine()] == ["not_a_date"]


def test_bytes_of_a_database_without_encoding_reject_their_row_only(
    home: Home, postgres: Peer
) -> None:
    name = f"{postgres.schema}_ascii"
    with postgres.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.exec_driver_sql(
            f"create database {name} encoding 'SQL_ASCII' template template0 locale 'C'"
        )
    url = postgres.engine.url.set(database=name)
    try:
        import sqlalchemy as sa

        own = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"client_encoding": "utf8"})
        other = Peer(
            "postgresql",
            url.set(drivername="postgresql", password=None).render_as_string(),
            "public",
            own,
            postgres.password,
        )
        make_flag_table(other)
        offer(other, sale(1, note=None), sale(2, note=None), sale(3, note=None))
        other.run(
            "update public.ifc_sales set note = "
            "convert_from(decode('c4e3bac3', 'hex'), 'SQL_ASCII') where ifc_seq = 2"
        )
        (delivery,) = land(home, shop(home, other), secret=other.secret)
        assert (delivery.loaded, delivery.rejected) == (2, 1)
        assert [row.reason for row in home.ledger.quarantine()] == ["broken_encoding"]
        own.dispose()
    finally:
        with postgres.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
            session.exec_driver_sql(f"drop database {name} with (force)")


def test_a_value_that_is_no_text_rejects_its_row_and_not_the_table(
    home: Home, sqlite: Peer
) -> None:
    make_flag_table(sqlite)
    offer(sqlite, sale(1), sale(2, note="a\0"), sale(3), sale(4))
    sqlite.run("update ifc_sales set note = x'ff' where ifc_seq = 1")
    sqlite.run("update ifc_sales set note = cast(x'ff41' as text) where ifc_seq = 3")
    contract = shop(home, sqlite, reject_limit={"rows": 3, "share": 0})
    (delivery,) = land(home, contract)
    assert (delivery.loaded, delivery.rejected) == (1, 3)
    reasons = [row.reason for row in home.ledger.quarantine()]
    assert reasons == ["broken_encoding", "nul_byte", "broken_encoding"]


def test_numbers_of_sqlite_keep_their_digits(home: Home, sqlite: Peer) -> None:
    make_flag_table(sqlite)
    offer(sqlite, sale(1), sale(2), sale(3))
    sqlite.run("update ifc_sales set amount = cast(x'302e3330' as text) where ifc_seq = 1")
    sqlite.run("create table other as select * from ifc_sales")
    sqlite.run("drop table ifc_sales")
    make_flag_table(sqlite, columns="sale_no, phone, amount, sold_at, note")
    names = "sale_no, phone, sold_at, note, ifc_op, ifc_seq"
    sqlite.run(f"insert into ifc_sales ({names}, amount) select {names}, 0.5 from other")
    sqlite.run("update ifc_sales set amount = 7 where ifc_seq = 2")
    sqlite.run("update ifc_sales set amount = 0.1 + 0.2 where ifc_seq = 3")
    land(home, shop(home, sqlite))
    assert home.rows("amount") == [(Decimal("0.50"),), (Decimal("7.00"),)]
    assert [row.reason for row in home.ledger.quarantine()] == ["not_a_decimal"]


def test_rows_without_numbers_of_their_own_are_not_landed(home: Home, sqlite: Peer) -> None:
    flags_without_key = (
        "ifc_seq integer, ifc_status integer default 0, ifc_op text, ifc_batch text, "
        "ifc_claimed_at text, ifc_processed_at text, ifc_error text"
    )
    make_flag_table(sqlite, flags=flags_without_key)
    offer(sqlite, sale(1), sale(2))
    sqlite.run("update ifc_sales set ifc_seq = 1")
    with pytest.raises(InterfaceMismatch, match="a number of its own"):
        land(home, shop(home, sqlite))
    assert home.ledger.batches() == []


def test_a_rejected_row_is_good_again_once_its_contract_is_mended(home: Home, server: Peer) -> None:
    from connectors.quarantining.quarantine import find_records
    from connectors.quarantining.replay import replay

    make_flag_table(server)
    offer(server, sale(1), sale(2, amount="-1.00", at="2026-03-30 08:00:00.000001"))
    land(home, shop(home, server))
    columns = {
        name: {key: value for key, value in column.items() if key != "min"}
        for name, column in _declared(home, server).items()
    }
    mended = shop(home, server, columns=columns)
    records = find_records(home.ledger, source="shop")
    (report,) = replay(
        mended,
        records,
        home=home.path,
        ledger=home.ledger,
        pii=home.pii,
        now=home.now,
        zone="Asia/Shanghai",
    )
    assert report.replayed == 1
    assert home.rows("sale_no, amount, sold_at::varchar")[1] == (
        "S2",
        Decimal("-1.00"),
        "2026-03-30 00:00:00" if server.kind == "mariadb" else "2026-03-30 00:00:00.000001",
    )


def _declared(home: Home, peer: Peer) -> dict[str, dict[str, Any]]:
    import yaml

    text = (home.path / "sources" / peer.kind / "shop.yml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["streams"]["sales"]["columns"]
    return found


def test_a_stream_that_cannot_be_read_holds_up_no_other(home: Home, sqlite: Peer) -> None:
    contract = shop(home, sqlite)
    make_flag_table(sqlite)
    sales = contract.streams["sales"]
    broken = sales.model_copy(update={"table": "ifc_gone"})
    other = sales.model_copy(update={"table": "ifc_lost"})
    both = contract.model_copy(update={"streams": {"a": broken, "b": other, "sales": sales}})
    offer(sqlite, sale(1))
    with pytest.raises(InterfaceMismatch, match=r"ifc_gone(.|\n)*ifc_lost"):
        land(home, both)
    assert flags(sqlite) == [2]


def test_a_claim_is_no_larger_than_can_be_read_before_it_is_stale() -> None:
    assert claim_limit(None) == ROWS_PER_CLAIM
    assert claim_limit(1) == 900
    assert claim_limit(100) == 90_000
    assert claim_limit(10_000) == ROWS_PER_CLAIM


def test_rows_that_can_never_be_claimed_are_told_and_not_noted_as_read(
    home: Home, sqlite: Peer
) -> None:
    contract = shop(home, sqlite)
    make_flag_table(sqlite)
    offer(sqlite, sale(1))
    sqlite.run("create trigger keep before update on ifc_sales begin select raise(ignore); end")
    with pytest.raises(SourceUnreachable, match="could not be claimed"):
        land(home, contract)
    assert home.ledger.last_reads() == {}


def test_the_hash_of_rows_does_not_depend_on_how_they_are_cut() -> None:
    names = ["number", "op", "flaw", "c0"]
    rows = [["1", "I", None, "a"], ["2", "I", None, None], ["3", "I", None, ""]]

    def seen(rows: list[list[str | None]], *cuts: int) -> SeenRows:
        found = SeenRows(1)
        for first, last in zip((0, *cuts), (*cuts, len(rows)), strict=True):
            columns = [pa.array(one, pa.string()) for one in zip(*rows[first:last], strict=True)]
            found.look(pa.RecordBatch.from_arrays(columns, names=names))
        return found

    whole = seen(rows)
    assert whole.content_hash() == seen(rows, 1).content_hash() == seen(rows, 1, 2).content_hash()
    assert whole.has_own_numbers(3)
    nulls = [rows[0], ["2", "I", None, ""], ["3", "I", None, None]]
    assert seen(nulls).content_hash() != whole.content_hash()
    moved = [["1", "I", None, None], ["2", "I", None, "a"], rows[2]]
    assert seen(moved).content_hash() != whole.content_hash()
    assert not seen([rows[0], rows[0]]).has_own_numbers(2)
