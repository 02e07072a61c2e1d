"""Our own operational store as a source: real messages land once, late news of them follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from connectors.arrivals import arrivals
from connectors.contract import SOURCES, Contract, load_contracts
from connectors.landing import Delivery, land_source
from notifications.audit import note
from notifications.outbox import NewMessage, State, advance, enqueue, message_id
from notifications.schema import (
    METADATA,
    account,
    attempt,
    audit_event,
    contact,
    delivery_receipt,
    message,
    role_assignment,
)
from notifications.sms import TextLine, fit
from notifications.store import migrate, open_store
from tests.connectors.conftest import Home
from tests.peers.databases import database_peer

PHONE = "13800001111"
NAME = "欧阳震华"
PERSONAL = (PHONE, NAME, "key-of-a-phone", "C2:sms", "sealed")

# How each state is reached from `queued`.
WAYS: dict[State, tuple[State, ...]] = {
    "queued": (),
    "submitting": ("submitting",),
    "accepted": ("submitting", "accepted"),
    "delivered": ("submitting", "accepted", "delivered"),
    "undelivered": ("submitting", "accepted", "undelivered"),
    "suppressed": ("suppressed",),
    "expired": ("expired",),
    "cancelled": ("cancelled",),
    "dead": ("dead",),
    "in_doubt": ("submitting", "in_doubt"),
    "unknown": ("submitting", "in_doubt", "unknown"),
}
TAKEN: tuple[State, ...] = ("accepted", "delivered")


@dataclass
class Own:
    """A home whose contract `huiyin` reads the store of `engine`."""

    home: Home
    contract: Contract
    engine: Engine
    secret: Any

    def land(self, days: int = 0) -> list[Delivery]:
        """Read the store, so many days later."""
        return land_source(
            self.contract,
            home=self.home.path,
            ledger=self.home.ledger,
            pii=self.home.pii,
            now=self.now(days),
            zone="Asia/Shanghai",
            secret=self.secret,
        )

    def now(self, days: int = 0) -> datetime:
        return self.home.now + timedelta(days=days)

    def rows(self, stream: str, columns: str) -> list[tuple[Any, ...]]:
        """Rows of every loaded batch of a stream."""
        paths = [
            str(self.home.path / (one.path or ""))
            for one in self.home.ledger.loaded_batches(["huiyin"])
            if one.stream == stream
        ]
        if not paths:
            return []
        return duckdb.sql(f"select {columns} from read_parquet({paths}) order by all").fetchall()

    def fill(self) -> dict[State, str]:
        """A message in every state, attempts and a receipt, and what nobody may read."""
        now = self.now()
        ids: dict[State, str] = {state: message_id(f"digest:{state}") for state in WAYS}
        with self.engine.begin() as connection:
            connection.execute(
                account.insert().values(
                    account_id="C2",
                    phone_key="key-of-a-phone",
                    position="manager",
                    status="active",
                    created_at=now,
                    updated_at=now,
                )
            )
            connection.execute(
                role_assignment.insert(),
                [
                    {"account_id": "C2", "role": "manager", "unit_id": unit, "granted_at": now}
                    for unit in ("MY", "CD")
                ],
            )
            connection.execute(
                contact.insert().values(
                    contact_id="C2:sms", account_id="C2", pseudonym="key-of-a-phone", updated_at=now
                )
            )
            enqueue(
                connection,
                [
                    NewMessage(
                        dedupe_key=f"digest:{state}",
                        kind="digest",
                        subject_id="daily_sales",
                        account_id="C2",
                        contact_id="C2:sms",
                        language="zh",
                        body=fit("【回音】", [TextLine(1, f"{NAME} {PHONE}")], 2),
                        figures={"reporter": NAME, "phone": PHONE},
                        snapshot="20260330-0001",
                        due_at=now,
                        expires_at=now + timedelta(hours=12),
                        secret=b"sealed",
                    )
                    for state in WAYS
                ],
                now,
            )
            for state, way in WAYS.items():
                for step in way:
                    advance(connection, [ids[state]], step, now, reason=f"call {PHONE}")
            connection.execute(
                attempt.insert(),
                [
                    {
                        "reference": f"{ids[state]}.1",
                        "message_id": ids[state],
                        "ordinal": 1,
                        "gateway": "g",
                        "state": state,
                        "code": f"no {PHONE}",
                        "gateway_message_id": state,
                        "started_at": now,
                        "changed_at": now,
                    }
                    for state in TAKEN
                ],
            )
            connection.execute(delivery_receipt.insert().values(receipt("delivered", now)))
            note(connection, "refused_unit", "C2", now, unit=f"{NAME} {PHONE}")
            note(connection, "subscribed", "C2", now, actor="command", digest="daily_sales")
        return ids


def receipt(identity: str, at: datetime) -> dict[str, Any]:
    return {
        "gateway": "g",
        "gateway_message_id": identity,
        "status": "delivered",
        "reference": None,
        "is_matched": False,
        "received_at": at,
    }


@pytest.fixture(params=["sqlite", "postgresql"])
def own(request: Any, home: Home) -> Iterator[Own]:
    """The shipped contract over a store of either kind; of SQLite at the contract's own place."""
    contract = load_contracts([SOURCES])["huiyin"]
    if request.param == "sqlite":
        url = f"sqlite:///{home.path / 'ops.db'}"
        migrate(url)
        yield Own(home, contract, open_store(url), lambda name: None)
        return
    with database_peer("postgresql", home.path) as peer:
        url = peer.engine.url.render_as_string(hide_password=False)
        migrate(url)
        interface = contract.interface.model_copy(update={"location": peer.location})
        engine = open_store(url)
        yield Own(home, contract.model_copy(update={"interface": interface}), engine, peer.secret)
        engine.dispose()


def test_messages_in_every_state_land_once(own: Own) -> None:
    ids = own.fill()
    assert {(one.stream, one.loaded, one.code) for one in own.land()} == {
        ("messages", 11, None),
        ("attempts", 2, None),
        ("delivery_receipts", 1, None),
        ("audit_events", 2, None),
    }
    assert own.rows("messages", "state, message_id, account_id, unit_id") == sorted(
        (state, identity, "C2", "CD") for state, identity in ids.items()
    )
    naive = own.now().replace(tzinfo=None)
    told = "distinct planned_at, updated_at, snapshot, subject_id, _business_date"
    assert own.rows("messages", told) == [
        (naive, naive, "20260330-0001", "daily_sales", own.now().date())
    ]
    assert own.rows("audit_events", "action, actor, account_id, unit_id, object_id") == [
        ("refused_unit", "C2", "C2", "CD", None),
        ("subscribed", "command", "C2", None, "daily_sales"),
    ]
    assert own.land() == [], "it is not read twice a day"
    assert own.land(days=1) == [], "and what was read before is nothing new"


def test_a_late_receipt_is_a_new_version_of_its_message_and_attempt(own: Own) -> None:
    ids = own.fill()
    own.land()
    late = own.now() + timedelta(hours=20)
    with own.engine.begin() as connection:
        connection.execute(delivery_receipt.insert().values(receipt("accepted", late)))
        advance(connection, [ids["accepted"]], "delivered", late)
        connection.execute(
            attempt.update()
            .where(attempt.c.gateway_message_id == "accepted")
            .values(state="delivered", changed_at=late)
        )
    assert {(one.stream, one.loaded) for one in own.land(days=1)} == {
        ("messages", 1),
        ("attempts", 1),
        ("delivery_receipts", 1),
    }
    versions = own.rows(
        "messages", f"_recorded_at, state, message_id = '{ids['accepted']}' as is_it"
    )
    assert [state for _, state, is_it in versions if is_it] == ["accepted", "delivered"]


def test_what_is_told_to_a_person_or_by_one_does_not_land(own: Own) -> None:
    own.fill()
    with own.engine.begin() as connection:
        held = "".join(
            repr(row)
            for table in METADATA.sorted_tables
            for row in connection.execute(sa.select(table))
        )
    assert all(word in held for word in PERSONAL), "the store itself holds each of them"
    own.land()
    landed = [
        path.read_bytes() for path in (own.home.path / "raw").rglob("*.parquet") if path.is_file()
    ]
    assert len(landed) == 4
    values = repr([own.rows(stream, "*") for stream in own.contract.streams])
    for word in PERSONAL:
        assert word not in values, word
        assert all(word.encode() not in content for content in landed), word
    assert (own.home.path / "ledger.db").read_bytes().count(PHONE.encode()) == 0


def test_a_store_without_rows_is_read_to_its_end_and_due_on_the_next_day(own: Own) -> None:
    def due(hours: int) -> tuple[str, ...]:
        return arrivals(
            own.contract,
            home=own.home.path,
            ledger=own.home.ledger,
            now=own.now() + timedelta(hours=hours),
            zone="Asia/Shanghai",
        )

    assert len(due(0)) == 4
    assert own.land() == []
    assert {source for source, _ in own.home.ledger.last_reads()} == {"huiyin"}
    # It is 09:00 in Shanghai; the day has 15 hours left.
    assert (due(14), len(due(15))) == ((), 4)


def test_reading_leaves_the_store_as_it_was(own: Own) -> None:
    own.fill()

    def held() -> list[Any]:
        with own.engine.begin() as connection:
            return [
                connection.execute(sa.select(table)).all()
                for table in (message, attempt, delivery_receipt, audit_event)
            ]

    before = held()
    own.land()
    assert held() == before


def test_the_contract_reads_the_store_at_the_place_where_the_home_keeps_it(tmp_path: Path) -> None:
    from pipelines.home import Home as ProductHome

    location = load_contracts([SOURCES])["huiyin"].interface.location
    assert tmp_path / (sa.make_url(location).database or "") == ProductHome(tmp_path).operations
