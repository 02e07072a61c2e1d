"""The databases of the roster (CRM), of the business halls and of personnel."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .customers import customer_changes
from .organisation import staff_changes, unit_rows
from .sales import order_rows, product_rows
from .staffing import deliver_team_days
from .world import Progress, World

Row = tuple[object, ...]
_FLAGS = (
    "ifc_seq integer primary key, ifc_status integer not null default 0, ifc_op text not null, "
    "ifc_batch text, ifc_claimed_at text, ifc_processed_at text, ifc_error text"
)
CRM = {
    "units": "unit_code text, unit_name text, unit_name_en text, parent_code text, "
    "level_no integer, unit_type text, opened_on text, closed_on text",
    "staff": "staff_no text, name text, phone text, position text, unit_code text, status text, "
    "joined_on text, left_on text",
    "customers": "customer_no text, phone text, unit_code text, manager_no text, segment text, "
    "joined_on text, left_on text, name text, id_card text",
}
HALL = {
    "products": "product_code text, product_name text, product_name_en text, family text",
    "orders": "order_line_no text, order_no text, customer_no text, unit_code text, "
    "product_code text, staff_no text, order_type text, quantity integer, amount text, "
    "ordered_at text",
    "buyers": "buyer_no text, customer_no text, name text, id_card text, phone text",
}


def deliver_tables(home: Path, world: World, progress: Progress) -> None:
    """Brings the databases up to the world's day; rows already there are left alone."""
    folder = home / "simulator"
    crm, hall = folder / "crm.db", folder / "hall.db"
    _ensure(crm, CRM)
    _ensure(hall, HALL)
    # The partner's own database, in which we are given a place to write.
    _ensure(folder / "partner.db", {})
    staff, through = world.staff, world.through
    with _transaction(crm) as connection:
        added = _append(connection, "units", [("I", r) for r in unit_rows()])
        added += _append(connection, "staff", _ops(staff_changes(staff, through)))
        added += _append(
            connection, "customers", _ops(customer_changes(world.customers, staff, through))
        )
    progress(f"crm.db: {added:,} rows added")
    with _transaction(hall) as connection:
        added = _append(connection, "products", [("I", r) for r in product_rows()])
        have = _last(connection, "orders")
        rows = order_rows(world.orders, world.customers, staff, have)
        added += _insert(connection, "orders", [("I", r) for r in rows], have)
        added += _append(connection, "buyers", _ops(world.buyer_changes))
    progress(f"hall.db: {added:,} rows added")
    changed = deliver_team_days(folder / "hr.db", world.team_days)
    progress(f"hr.db: {changed:,} rows changed")


def _ops(changes: Iterable[tuple[int, str, Row]]) -> list[tuple[str, Row]]:
    return [(op, row) for _, op, row in changes]


@contextmanager
def _transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """One immediate transaction on a connection of its own."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        connection.execute("pragma synchronous = full")
        connection.execute("begin immediate")
        yield connection
        connection.execute("commit")
    finally:
        # Closing without the commit rolls back.
        connection.close()


def _ensure(path: Path, tables: dict[str, str]) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    connection = sqlite3.connect(temporary, isolation_level=None)
    for name, columns in tables.items():
        connection.execute(f"create table ifc_{name} ({columns}, {_FLAGS})")
        connection.execute(f"create index ifc_{name}_status on ifc_{name} (ifc_status, ifc_seq)")
    connection.execute("pragma journal_mode = wal")
    connection.close()
    temporary.replace(path)


def _last(connection: sqlite3.Connection, table: str) -> int:
    found = connection.execute(f"select coalesce(max(ifc_seq), 0) from ifc_{table}").fetchone()
    return int(found[0])


def _append(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[str, Row]]) -> int:
    """Adds the rows after those already there: the list only ever grows at its end."""
    have = _last(connection, table)
    return _insert(connection, table, rows[have:], have)


def _insert(
    connection: sqlite3.Connection, table: str, rows: Sequence[tuple[str, Row]], have: int
) -> int:
    if not rows:
        return 0
    columns = [part.split()[0] for part in {**CRM, **HALL}[table].split(",")]
    marks = ", ".join("?" * (len(columns) + 2))
    connection.executemany(
        f"insert into ifc_{table} ({', '.join(columns)}, ifc_seq, ifc_op) values ({marks})",
        ((*row, have + n, op) for n, (op, row) in enumerate(rows, start=1)),
    )
    return len(rows)
