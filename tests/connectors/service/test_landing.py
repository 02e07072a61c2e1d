"""Landing of packets by both shapes of a contract, without a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.contract import SOURCES, Contract, load_contract
from connectors.contract_faults import cross_faults
from connectors.inbox import ApiClient, Inbox
from connectors.landing import Delivery, land_source
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from connectors.quarantining.quarantine import find_records
from connectors.quarantining.replay import ReplayReport, replay
from connectors.service.exchange import Exchange
from connectors.service.packet import Packet
from connectors.service.refusal import PacketRefused
from tests.connectors.conftest import ENCRYPTION_KEY, PSEUDONYM_KEY
from tests.connectors.service.server import record
from tests.connectors.service.test_sums import CONTRACT as BILLS

NOW = datetime(2026, 3, 31, 1, tzinfo=UTC)
FEEDBACK = load_contract(SOURCES / "partner_feedback.yml")
ZONE = "Asia/Shanghai"


def mapped(**changes: Any) -> Contract:
    """The shipped contract with another mapping."""
    assert FEEDBACK.map is not None
    return FEEDBACK.model_copy(update={"map": FEEDBACK.map.model_copy(update=changes)})


@dataclass
class Door:
    """A home whose inbox takes packets of one source as the service does."""

    home: Path
    ledger: Ledger
    pii: PiiStore
    contract: Contract = FEEDBACK
    count: int = 0

    @property
    def stream(self) -> str:
        return next(iter(self.contract.streams))

    def packet(self, records: list[Any], sums: Mapping[str, str], *, trial: bool = False) -> None:
        """Store a packet, or with `trial` check it by its contract; raises PacketRefused."""
        source = self.contract.source
        exchange = Exchange(
            contracts={source: self.contract},
            exports=None,  # type: ignore[arg-type]
            open_ledger=None,  # type: ignore[arg-type]
            seal=lambda content, now: self.pii.seal(content, now=now),
            zone=ZONE,
        )
        self.count += 1
        params = {
            "source": source,
            "stream": self.stream,
            "rows": len(records),
            "records": records,
            "sums": dict(sums),
        }
        packet = Packet(f"p-{self.count}", "deliver_batch", params, None, False, "")
        client = ApiClient("c", "", "c", None, ("deliver",), NOW, None, (source,))
        batch = exchange.checked_batch(packet, client, now=NOW, trial=trial)
        with Inbox(self.home / "inbox.db") as inbox, inbox.writing():
            inbox.packets.add_batch(batch)

    def land(self, *records: Any, **sums: str) -> list[Delivery]:
        """Deliver records in one packet, if there are any, and land what came."""
        if records:
            self.packet(list(records), sums)
        return land_source(
            self.contract, home=self.home, ledger=self.ledger, pii=self.pii, now=NOW, zone=ZONE
        )

    def replay(self, contract: Contract) -> list[ReplayReport]:
        """Send what is in quarantine through another contract."""
        waiting = find_records(self.ledger, source=contract.source)
        return replay(
            contract,
            waiting,
            home=self.home,
            ledger=self.ledger,
            pii=self.pii,
            now=NOW,
            zone=ZONE,
        )

    def rows(self, columns: str) -> list[tuple[Any, ...]]:
        """Columns of raw by the first one."""
        files = [str(path) for path in (self.home / "raw").rglob("*.parquet")]
        query = f"select {columns} from read_parquet(?, union_by_name = true) order by 1"
        return duckdb.execute(query, [files]).fetchall()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with (
        Ledger(tmp_path / "ledger.db") as ledger,
        PiiStore(
            tmp_path / "pii.db", pseudonym_key=PSEUDONYM_KEY, encryption_key=ENCRYPTION_KEY
        ) as pii,
    ):
        yield Door(tmp_path, ledger, pii)


def test_a_rejected_record_lands_by_replay_once_the_mapping_knows_its_kind(door: Door) -> None:
    (told,) = door.land(record(1), record(2, kind_code="rumour"))
    assert (told.loaded, told.rejected) == (1, 1)
    (fault,) = door.ledger.quarantine()
    assert (fault.column_name, fault.reason) == ("kind_code", "value_not_allowed")
    assert FEEDBACK.map is not None
    kind = FEEDBACK.map.kind
    values = {**kind.values, "rumour": "report"}
    (report,) = door.replay(mapped(kind=kind.model_copy(update={"values": values})))
    assert report.replayed == 1
    phones = door.rows("case_no, kind, reporter_phone")
    assert [row[:2] for row in phones] == [("P-000001", "complaint"), ("P-000002", "report")]
    assert phones[0][2] == phones[1][2] == door.pii.pseudonym("phone", "13912345678")


def test_a_field_that_nobody_agreed_on_refuses_the_packet_and_none_of_it_lands(door: Door) -> None:
    (told,) = door.land(record(1, shop="A"), record(2))
    assert (told.status, told.code, told.loaded) == ("refused", "wrong_header", 0)
    door.contract = mapped(attributes=("shop",), drop=("clerk",))
    door.land(record(3, shop="A", clerk="王五"), record(4))
    assert door.rows("case_no, attributes") == [
        ("P-000003", '{"shop":"A"}'),
        ("P-000004", "{}"),
    ]


def test_a_trial_tells_what_landing_would_reject(door: Door) -> None:
    wrong = [
        record(1, kind_code=None),
        record(2, created_at="yesterday"),
        record(3, created_at=None),
        record(4, created_at="1899-01-01 00:00:00"),
        {"case_no": None},
        record(6),
    ]
    with pytest.raises(PacketRefused) as caught:
        door.packet(wrong, {}, trial=True)
    fields = [fault.field for fault in caught.value.faults]
    assert fields == [
        "records.1.kind_code",
        "records.2.created_at",
        "records.3.created_at",
        "records.4.created_at",
        "records.5.case_no",
    ]
    (told,) = door.land(*wrong)
    assert (told.loaded, told.rejected) == (1, 5)
    assert [f"records.{one.record_no}.{one.column_name}" for one in door.ledger.quarantine()] == (
        fields
    )


def test_a_column_that_the_mapping_gained_is_empty_in_packets_accepted_before(door: Door) -> None:
    door.packet([record(1)], {})
    door.contract = mapped(score="stars")
    (told,) = door.land()
    assert told.status == "loaded" and door.rows("case_no, score") == [("P-000001", None)]


def test_records_of_a_source_with_streams_of_its_own_land_as_columns(door: Door) -> None:
    door.contract = BILLS
    right = [{"bill_no": "B1", "amount": "1.50"}, {"bill_no": "B2", "amount": 2}]
    assert [one.status for one in door.land(*right, amount="3.50")] == ["loaded"]
    assert [one.code for one in door.land({"bill_no": "B3", "amount": "1"}, amount="2")] == [
        "wrong_sum"
    ]
    assert [str(row[1]) for row in door.rows("bill_no, amount")] == ["1.50", "2.00"]


def test_a_source_that_nobody_ever_used_is_read_to_its_end(door: Door) -> None:
    assert door.land() == [] and not (door.home / "inbox.db").exists()
    assert door.ledger.last_reads() == {("partner_feedback", "cases"): NOW}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"unit": None}, "say either 'org' or 'unit'"),
        ({"org": ["shop"]}, "say either 'org' or 'unit'"),
        ({"kind": {"constant": "report", "required": True}}, "'required' belongs to a 'column'"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(changes: Any, told: str) -> None:
    declared = FEEDBACK.model_dump(by_alias=True, exclude_none=True, exclude={"streams"})
    declared["map"] |= changes
    with pytest.raises(ValueError, match=told):
        Contract.model_validate(declared)


def test_units_of_another_source_need_no_levels_and_units_by_name_do() -> None:
    by_name = mapped(unit=None, org=("shop",))
    assert [place for place, _ in cross_faults(FEEDBACK)] == []
    assert [place for place, _ in cross_faults(by_name)] == [["org"]]
    with_levels = FEEDBACK.model_copy(
        update={"org": load_contract(SOURCES / "nyc311.yml").org},
    )
    assert [place for place, _ in cross_faults(with_levels)] == [["org"]]
