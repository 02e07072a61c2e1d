"""Flag tables that we fill: made, appended once, read and marked by a partner of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.contract import Column
from connectors.databases.database import open_database
from connectors.databases.outbound_tables import OutboundFlags, append_outbound, outbound_flags
from connectors.errors import InterfaceMismatch
from tests.connectors.conftest import Home
from tests.peers.databases import Peer

COLUMNS = {
    "unit_code": Column(type="string", length=20),
    "note": Column(type="string"),
    "cases": Column(type="bigint"),
    "share": Column(type="decimal(18,4)"),
    "day": Column(type="date"),
    "told_at": Column(type="timestamp"),
    "late": Column(type="boolean"),
}
ROWS: list[tuple[Any, ...]] = [
    ("U1", '引\'号 \\ "x" %s', "2", "0.1000", "2026-03-30", "2026-03-30 01:02:03.000004", "true"),
    ("U2", None, None, None, None, None, None),
    (
        "U3",
        "",
        2**53 + 1,
        Decimal("12345678901234.5678"),
        date(2024, 2, 29),
        datetime(2026, 3, 30, 1, tzinfo=UTC),
        False,
    ),
]
# A partner's own program, in its own process: it claims, reads, accepts or refuses.
PARTNER = """
import sys
import sqlalchemy as sa

url, table, refused = sys.argv[1:]
engine = sa.create_engine(url)
with engine.begin() as session:
    session.execute(sa.text(f"update {table} set ifc_status = 1, ifc_batch = 'theirs', "
        "ifc_claimed_at = current_timestamp where ifc_status = 0"))
with engine.begin() as session:
    session.execute(sa.text(f"update {table} set ifc_status = 9, ifc_error = 'unknown unit' "
        "where ifc_batch = 'theirs' and unit_code = :unit"), {"unit": refused})
    session.execute(sa.text(f"update {table} set ifc_status = 2, "
        "ifc_processed_at = current_timestamp where ifc_batch = 'theirs' and ifc_status = 1"))
"""


@pytest.fixture
def engine(home: Home, peer: Peer) -> Iterator[Any]:
    opened = open_database(peer.location, home.path, secret=peer.secret, owner="partner")
    yield opened
    opened.dispose()


def test_a_batch_is_written_with_its_types_and_only_once(peer: Peer, engine: Any) -> None:
    table = peer.table("out_figures")
    assert append_outbound(engine, table, COLUMNS, ROWS, batch="e1") == 3
    assert append_outbound(engine, table, COLUMNS, ROWS, batch="e1") == 0
    assert append_outbound(engine, table, COLUMNS, ROWS[:1], batch="e2") == 1
    exact = "share" if peer.kind == "sqlite" else "cast(share as char(30))"
    found = peer.run(
        f"select ifc_seq, ifc_export, ifc_status, ifc_op, note, cases, {exact}, late "
        f"from {table} order by ifc_seq"
    )
    assert [row[:4] for row in found] == [
        (1, "e1", 0, "I"),
        (2, "e1", 0, "I"),
        (3, "e1", 0, "I"),
        (4, "e2", 0, "I"),
    ]
    assert found[0][4:6] == (ROWS[0][1], 2) and found[1][4:] == (None, None, None, None)
    assert found[2][4:6] == ("", 2**53 + 1) and found[2][6].strip() == "12345678901234.5678"
    moments = peer.run(f"select day, told_at from {table} where ifc_seq in (1, 3) order by 2")
    assert [tuple(map(str, row)) for row in moments] == [
        (
            "2024-02-29",
            "2026-03-30 01:00:00.000000" if peer.kind == "sqlite" else "2026-03-30 01:00:00",
        ),
        ("2026-03-30", "2026-03-30 01:02:03.000004"),
    ]


def test_a_partner_claims_and_marks_and_we_see_it(peer: Peer, engine: Any) -> None:
    table = peer.table("out_figures")
    append_outbound(engine, table, COLUMNS, ROWS, batch="e1")
    assert outbound_flags(engine, table, "e1") == OutboundFlags(3, 0, 0, 0, {})
    url = peer.engine.url.render_as_string(hide_password=False)
    subprocess.run([sys.executable, "-c", PARTNER, url, table, "U2"], check=True)
    append_outbound(engine, table, COLUMNS, ROWS[:1], batch="e2")
    assert outbound_flags(engine, table, "e1") == OutboundFlags(0, 0, 2, 1, {2: "unknown unit"})
    assert outbound_flags(engine, table, "e2") == OutboundFlags(1, 0, 0, 0, {})
    assert outbound_flags(engine, table, "e3").rows == 0
    peer.run(f"update {table} set ifc_status = 5 where ifc_seq = 1")
    assert outbound_flags(engine, table, "e1").new == 1


def test_a_table_that_is_not_there_holds_nothing(peer: Peer, engine: Any) -> None:
    assert outbound_flags(engine, peer.table("nothing"), "e1").rows == 0


def test_writers_at_once_leave_each_row_a_number_of_its_own(
    home: Home, peer: Peer, engine: Any
) -> None:
    table = peer.table("out_figures")
    append_outbound(engine, table, COLUMNS, [], batch="e0")

    def write(number: int) -> int:
        own = open_database(peer.location, home.path, secret=peer.secret, owner="partner")
        try:
            return append_outbound(own, table, COLUMNS, ROWS * 50, batch=f"e{number % 4}")
        finally:
            own.dispose()

    with ThreadPoolExecutor(8) as pool:
        added = sorted(pool.map(write, range(8)))
    assert added == [0] * 4 + [150] * 4
    numbers = [row[0] for row in peer.run(f"select ifc_seq from {table} order by 1")]
    assert numbers == list(range(1, 601))


def test_a_batch_that_breaks_off_leaves_nothing(peer: Peer, engine: Any) -> None:
    table = peer.table("out_figures")

    def rows() -> Iterator[tuple[Any, ...]]:
        yield from ROWS * 1000
        yield ("U9", None, "many", None, None, None, None)

    with pytest.raises(InterfaceMismatch, match=r"row 3001 .* column cases .* no bigint"):
        append_outbound(engine, table, COLUMNS, rows(), batch="e1")
    assert peer.run(f"select count(*) from {table}") == [(0,)]
    assert append_outbound(engine, table, COLUMNS, ROWS, batch="e1") == 3


def test_a_table_without_the_agreed_columns_is_told(peer: Peer, engine: Any) -> None:
    table = peer.table("out_figures")
    peer.run(f"create table {table} (unit_code varchar(20), ifc_seq bigint)")
    with pytest.raises(InterfaceMismatch, match="it lacks note, cases"):
        append_outbound(engine, table, COLUMNS, ROWS, batch="e1")
