"""Landing of a PostgreSQL flag table of two million rows beside bare reads of the same rows.

`python -m tests.benchmarks.flag_table [ROWS [REPEATS]]`; needs the server of the tests. Each repeat
measures every way once, one after the other; medians are printed with the parts of a landing.
Claiming and marking are two updates of every row by the server: they are measured alone as well,
as the least that any reader of flag tables has to wait for.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from connectors.contract import Contract
from connectors.landing import land_source
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from tests.peers.databases import Peer, postgres_peer

NOW = datetime(2026, 3, 31, 1, tzinfo=UTC)
COLUMNS = "order_no, customer_no, phone, unit_code, product, quantity, amount, ordered_at"
CONTRACT: dict[str, Any] = {
    "source": "shop",
    "label": {"zh": "店", "en": "Shop"},
    "owner": "benchmark",
    "zone": "Asia/Shanghai",
    "streams": {
        "orders": {
            "label": {"zh": "订单", "en": "Orders"},
            "grain": "one row per order",
            "key": ["order_no"],
            "mode": "changes",
            "business_date_from": "ordered_at",
            "columns": {
                "order_no": {"type": "string", "required": True, "length": 20},
                "customer_no": {"type": "string", "required": True},
                "phone": {"type": "string", "pii": "phone", "reveal": False},
                "unit_code": {"type": "string", "length": 20},
                "product": {"type": "string"},
                "quantity": {"type": "integer", "min": 1},
                "amount": {"type": "decimal(18,2)", "required": True, "min": 0},
                "ordered_at": {"type": "timestamp", "required": True},
            },
        }
    },
}


def make_table(peer: Peer, rows: int) -> None:
    """Fill the table; pages keep room, so that a row that is marked stays where it is."""
    table = peer.table("ifc_orders")
    peer.run(f"drop table if exists {table}")
    peer.run(
        f"create table {table} (order_no varchar(20), customer_no varchar(20), phone varchar(20), "
        "unit_code varchar(20), product varchar(20), quantity int, amount numeric(18,2), "
        "ordered_at timestamp, ifc_seq bigint primary key, ifc_status smallint not null default 0, "
        "ifc_op char(1) not null default 'I', ifc_batch varchar(64), ifc_claimed_at timestamp, "
        "ifc_processed_at timestamp, ifc_error varchar(500)) with (fillfactor = 45)"
    )
    peer.run(
        f"insert into {table} ({COLUMNS}, ifc_seq) select 'O' || g, 'C' || g % 20000, "
        "'138' || lpad((g % 20000)::text, 8, '0'), 'U' || g % 180, 'P' || g % 40, g % 5 + 1, "
        "(g % 100000) / 100.0, timestamp '2026-03-01' + g * interval '1 second', g "
        f"from generate_series(1, {rows}) g"
    )
    with closing(peer.engine.raw_connection()) as session:
        session.driver_connection.autocommit = True  # type: ignore[union-attr]
        session.cursor().execute(f"vacuum analyze {table}")
        session.cursor().execute("checkpoint")


def read_by_adbc(peer: Peer) -> None:
    """Read the rows as Arrow batches and let them go."""
    import adbc_driver_postgresql.dbapi as adbc

    with closing(adbc.connect(_url(peer))) as session, session.cursor() as cursor:
        cursor.execute(f"select {COLUMNS}, ifc_seq from {peer.table('ifc_orders')}")
        for _batch in cursor.fetch_record_batch():
            pass


def read_by_copy(peer: Peer) -> None:
    """Read the rows as the text of COPY and let them go."""
    statement = f"copy (select {COLUMNS}, ifc_seq from {peer.table('ifc_orders')}) to stdout"
    with psycopg.connect(_url(peer)) as session, session.cursor().copy(statement) as copy:
        for _block in copy:
            pass


def update_twice(peer: Peer) -> None:
    """Set the flags of every row as claiming and marking do, in two statements."""
    table = peer.table("ifc_orders")
    peer.run(
        f"update {table} set ifc_status = 1, ifc_batch = '0123456789abcdef0123456789abcdef', "
        "ifc_claimed_at = now() where ifc_status = 0"
    )
    peer.run(
        f"update {table} set ifc_status = 2, ifc_processed_at = now() where ifc_status = 1 "
        "and ifc_batch = '0123456789abcdef0123456789abcdef'"
    )


def land(peer: Peer, parts: dict[str, list[float]]) -> None:
    """Land the table in a home of its own; `parts` gains the seconds of each part."""
    contract = Contract.model_validate(
        CONTRACT
        | {"interface": {"type": "table", "location": peer.location}}
        | {
            "streams": {
                "orders": CONTRACT["streams"]["orders"] | {"table": peer.table("ifc_orders")}
            }
        }
    )
    home = Path(tempfile.mkdtemp(prefix="flag-table-"))
    spent: dict[str, float] = {}
    last = time.perf_counter()

    def at(step: str) -> None:
        nonlocal last
        now = time.perf_counter()
        spent[step] = spent.get(step, 0) + now - last
        last = now

    try:
        with (
            Ledger(home / "ledger.db") as ledger,
            PiiStore(
                home / "pii.db",
                pseudonym_key=b"0" * 32,
                encryption_key=b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            ) as pii,
        ):
            found = land_source(
                contract,
                home=home,
                ledger=ledger,
                pii=pii,
                now=NOW,
                zone="Asia/Shanghai",
                at=at,
                secret=peer.secret,
                memory_limit="600MB",
            )
        assert sum(one.loaded for one in found) > 0
    finally:
        shutil.rmtree(home)
    for step, seconds in spent.items():
        parts.setdefault(step, []).append(seconds)


def _url(peer: Peer) -> str:
    url = peer.engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


def main(rows: int = 2_000_000, repeats: int = 5) -> None:
    """Print the medians, the parts of a landing and the memory it took."""
    parts: dict[str, list[float]] = {}
    ways: dict[str, Callable[[Peer], None]] = {
        "ADBC read": read_by_adbc,
        "COPY read": read_by_copy,
        "two updates": update_twice,
        "landing": lambda peer: land(peer, parts),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with postgres_peer() as peer:
        for _repeat in range(repeats):
            for name, way in ways.items():
                if name in {"ADBC read", "two updates", "landing"}:
                    make_table(peer, rows)
                started = time.perf_counter()
                way(peer)
                seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    for name, median in medians.items():
        print(f"{name:12} {median:7.2f} s  {[round(one, 2) for one in seconds[name]]}")
    for step, found in parts.items():
        print(f"  up to {step:18} {statistics.median(found):7.2f} s")
    least = min(medians["ADBC read"], medians["COPY read"])
    read = statistics.median(parts["read"])
    print(f"reading part / ADBC read: {read / medians['ADBC read']:.2f}")
    print(f"reading part / COPY read: {read / medians['COPY read']:.2f}")
    print(f"landing / ADBC read: {medians['landing'] / medians['ADBC read']:.2f}")
    print(f"landing / COPY read: {medians['landing'] / medians['COPY read']:.2f}")
    floor = least + medians["two updates"]
    print(f"landing / (bare read + two updates): {medians['landing'] / floor:.2f}")
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main(*(int(one) for one in sys.argv[1:]))
