"""Exports over the service: listed, fetched and confirmed by a key that may do only that."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml

from connectors.exporting.declaration import load_exports
from connectors.exporting.ledger import ExportLedger
from connectors.exporting.making import Content, deliver_export, make_export
from connectors.ledger import Ledger
from connectors.ledger_rows import Export
from connectors.places.place import no_secret
from tests.connectors.service.server import Client, ServiceServer, add_client
from tests.connectors.service.test_packet import told

DAY = date(2026, 3, 30)
NOW = datetime(2026, 3, 31, 0, 0, tzinfo=UTC)
FIGURES = {
    "export": "figures",
    "label": {"zh": "数字", "en": "Figures"},
    "partner": "centre",
    "owner": "customer care",
    "query": "case_figures",
    "interface": {"type": "service", "location": "cockpit"},
    "grain": "one row per unit",
    "key": ["unit"],
    "columns": {
        "unit": {"type": "string", "from": "org.l2__id"},
        "cases": {"type": "bigint"},
    },
    "control": {"sums": ["cases"]},
}


@dataclass(frozen=True)
class Cockpit:
    client: Client
    other: Client
    home: Path

    def send_out(self, number: int = 0) -> Export:
        """Deliver one export of three rows."""
        declaration = load_exports([self.home / "site/connectors/exports"], examples=False)[
            "figures"
        ]
        rows = [{"org.l2__id": f"SC0{n}", "cases": n + number} for n in (1, 2, 3)]
        with Ledger(self.home / "ledger.db") as ledger:
            exports = ExportLedger(ledger.rows)
            made = make_export(
                declaration, Content(rows, DAY, "t"), home=self.home, exports=exports, now=NOW
            )
            return deliver_export(
                declaration, made, home=self.home, exports=exports, now=NOW, secret=no_secret
            )

    def states(self) -> list[str]:
        with Ledger(self.home / "ledger.db") as ledger:
            return [one.status for one in ExportLedger(ledger.rows).exports()]


@pytest.fixture
def cockpit(tmp_path: Path) -> Iterator[Cockpit]:
    home = tmp_path / "home"
    folder = home / "site" / "connectors" / "exports"
    folder.mkdir(parents=True)
    (folder / "figures.yml").write_text(yaml.safe_dump(FIGURES, allow_unicode=True))
    key = add_client(home, "cockpit", permissions=("confirm",), sources=())
    other = add_client(home, "deliverer", permissions=("deliver",))
    with ServiceServer(home) as server:
        yield Cockpit(Client(server, key), Client(server, other), home)


def test_a_key_that_may_only_confirm_lists_fetches_and_confirms(cockpit: Cockpit) -> None:
    made = cockpit.send_out()
    listed = cockpit.client.send("list_deliveries")
    assert told(listed)["code"] == "ok"
    (export,) = listed.json["data"]["exports"]
    assert export["export_id"] == made.export_id and listed.json["data"]["deliveries"] == []
    first = cockpit.client.send("fetch_delivery", export_id=made.export_id, limit=2)
    rest = cockpit.client.send("fetch_delivery", export_id=made.export_id, offset=2, limit=2)
    rows = [*first.json["data"]["records"], *rest.json["data"]["records"]]
    assert [(row["unit"], row["cases"]) for row in rows] == [
        *(("SC01", "1"), ("SC02", "2"), ("SC03", "3")),
    ]
    sums = {"cases": str(sum(int(row["cases"]) for row in rows))}
    done = cockpit.client.send(
        "confirm_delivery", "c-1", export_id=made.export_id, result="ok", rows=3, sums=sums
    )
    assert told(done)["data"]["status"] == "confirmed" and cockpit.states() == ["confirmed"]


def test_a_key_that_delivers_sees_no_exports_and_may_not_fetch(cockpit: Cockpit) -> None:
    made = cockpit.send_out()
    assert cockpit.other.send("list_deliveries").json["data"] == {"deliveries": [], "exports": []}
    refused = cockpit.other.send("fetch_delivery", export_id=made.export_id)
    assert told(refused)["code"] == "forbidden"


def test_a_second_answer_that_says_otherwise_is_not_called_accepted(cockpit: Cockpit) -> None:
    made = cockpit.send_out()
    say = {"export_id": made.export_id, "rows": 3}
    cockpit.client.send("confirm_delivery", "c-1", **say, result="ok")
    again = cockpit.client.send("confirm_delivery", "c-2", **say, result="ok")
    assert told(again)["code"] == "accepted"
    other = cockpit.client.send("confirm_delivery", "c-3", **say, result="refused", reason="no")
    assert told(other)["code"] == "settled" and cockpit.states() == ["confirmed"]


def test_of_two_packets_with_one_id_at_once_only_one_takes_effect(cockpit: Cockpit) -> None:
    for number in range(4):
        cockpit.send_out(number)
    with Ledger(cockpit.home / "ledger.db") as ledger, ledger.rows.writing():
        ledger.rows.execute("update export set status = 'delivered'")
        ids = [one.export_id for one in ExportLedger(ledger.rows).exports()]

    def confirm(export_id: str) -> str:
        sent = cockpit.client.send("confirm_delivery", "one", export_id=export_id, result="ok")
        return str(sent.json["code"])

    with ThreadPoolExecutor(4) as pool:
        codes = sorted(pool.map(confirm, ids))
    assert codes == ["accepted", "id_reused", "id_reused", "id_reused"]
    assert sorted(cockpit.states()) == ["confirmed", "delivered", "delivered", "delivered"]


def test_a_partner_that_disagrees_reads_in_both_languages_what_was_understood(
    cockpit: Cockpit,
) -> None:
    made = cockpit.send_out()
    say = {"export_id": made.export_id, "result": "ok", "rows": 2, "sums": {"cases": "5"}}
    data = cockpit.client.send("confirm_delivery", "c", **say).json["data"]
    assert (data["status"], data["code"]) == ("disagrees", "read_log_disagrees")
    assert "不符" in data["message"]["zh"] and "does not fit" in data["message"]["en"]
    assert "2 rows were read, 3 were delivered" in data["reason"]
