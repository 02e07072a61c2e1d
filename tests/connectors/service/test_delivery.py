"""Delivered batches: from the packet through landing to the result that its client sees."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from connectors.landing import Delivery, land_source
from pipelines.installation import Installation
from pipelines.tidying import tidy
from pipelines.workflow import build_and_publish, ingest
from tests.connectors.intake.server import CLOCK
from tests.connectors.service.conftest import Served
from tests.connectors.service.server import SOURCE, Client, ServiceServer, add_client, record
from tests.connectors.service.test_packet import told
from tests.soak import fuzz

PHONE = "13912345678"


def opened(home: Path) -> Installation:
    """The installation of a home as the server has it."""
    return Installation.open(
        {"HUIYIN_SOURCES": f"intake,{SOURCE}", "HUIYIN_CLOCK": CLOCK}, home=home
    )


def land(home: Path) -> list[Delivery]:
    """Drain what the service accepted."""
    report = ingest(opened(home), say=lambda _: None, source=SOURCE)
    assert not report.failures
    return list(report.deliveries)


def raw_rows(home: Path) -> list[tuple[Any, ...]]:
    """Every row of the stream in raw by its number."""
    files = sorted(str(path) for path in (home / "raw" / SOURCE).rglob("*.parquet"))
    if not files:
        return []
    return duckdb.execute(
        f"select case_no, kind, _op, _batch_id from read_parquet({files}) order by 1, 4"
    ).fetchall()


@pytest.fixture
def partner(tmp_path: Path) -> Iterator[Client]:
    home = tmp_path / "home"
    key = add_client(home, "partner")
    with ServiceServer(home) as server:
        yield Client(server, key)


def deliver(client: Client, packet_id: str, given: list[Any], /, **more: Any) -> Any:
    """Send a batch of the example source; `more` replaces parameters."""
    params = {"source": SOURCE, "stream": "cases", "rows": len(given), "records": given}
    return client.send("deliver_batch", packet_id, **{**params, **more})


def test_a_batch_is_accepted_landed_and_its_result_told(partner: Client) -> None:
    home = partner.server.home
    answer = deliver(partner, "d-1", [record(1), record(2), record(3, kind_code="nonsense")])
    assert told(answer)["code"] == "accepted"
    batch_id = answer.json["data"]["batch_id"]
    (waiting,) = partner.send("list_deliveries").json["data"]["deliveries"]
    assert (waiting["batch_id"], waiting["status"]) == (batch_id, "accepted")
    (delivery,) = land(home)
    assert (delivery.batch_id, delivery.loaded, delivery.rejected) == (batch_id, 2, 1)
    told_now = partner.send("list_deliveries", batch_id=batch_id).json["data"]["deliveries"][0]
    assert (told_now["status"], told_now["loaded"], told_now["code"]) == (
        *("loaded", 2, "malformed_row"),
    )
    (fault,) = told_now["faults"]
    assert (fault["record"], fault["column"]) == (3, "kind_code")
    assert [row[0] for row in raw_rows(home)] == ["P-000001", "P-000002"]


def test_a_delivered_case_stands_in_the_warehouse_as_it_was_told_last(partner: Client) -> None:
    home = partner.server.home
    told_first = [
        record(1, unit_code="51010701", category="宽带", subcategory="断网/掉线"),
        record(2),
        record(3, kind_code="praise"),
    ]
    deliver(partner, "d-1", told_first)
    later = [
        {**told_first[0], "replied_at": "2026-03-30 10:15:00"},
        {"case_no": "P-000002", "_op": "D"},
    ]
    deliver(partner, "d-2", later)
    assert [(one.status, one.loaded) for one in land(home)] == [("loaded", 3), ("loaded", 2)]
    built = build_and_publish(opened(home), say=lambda _: None)
    assert (built.published, built.new) == (True, 2)
    with opened(home).snapshot() as snapshot, snapshot.cursor() as cursor:
        cases = cursor.execute(
            "select case_no, kind, channel_id, org_unit_id, created_at, first_reply_s, "
            "reporter_key, text from marts.fct_case join marts.case_text using (source, case_no) "
            "order by case_no"
        ).fetchall()
    first, last = cases
    assert first[:4] == ("P-000001", "complaint", "referral", "51010701")
    assert (str(first[4]), first[5]) == ("2026-03-30 01:15:00", 3600), "09:15 in Shanghai"
    assert last[:4] == ("P-000003", "praise", "referral", None)
    assert first[6] == last[6] and PHONE not in str(cases)
    assert first[7] == "宽带断了，请回电 [phone]，第1次"


def test_landing_twice_is_landing_once(partner: Client) -> None:
    home = partner.server.home
    for number in range(3):
        deliver(partner, f"d-{number}", [record(number)])
    assert len(land(home)) == 3
    before = raw_rows(home)
    assert land(home) == [] and raw_rows(home) == before
    assert told(deliver(partner, "d-1", [record(1)]))["code"] == "accepted"
    assert land(home) == [] and raw_rows(home) == before


def test_no_personal_value_of_a_batch_lies_open_anywhere(partner: Client) -> None:
    home = partner.server.home
    deliver(partner, "d-1", [record(1), record(2, kind_code="x", phone="13987654321")])
    partner.send(
        "submit_feedback", "s-1", kind="complaint", text="请回电", contact={"phone": PHONE}
    )
    land(home)
    listed = partner.send("list_deliveries").text
    partner.send("list_deliveries", batch_id=listed.split('"batch_id": "')[1].split('"')[0])
    secret = partner.send(
        "submit_feedback", "s-1", kind="complaint", text="请回电", contact={"phone": PHONE}
    ).json["data"]["secret"]
    output = partner.server.end(signal.SIGTERM)
    partner.server.start()
    for path in home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for value in (PHONE, "13987654321", secret):
                assert value.encode() not in content, (path, value)
    assert PHONE not in output + listed


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"rows": 2}, "rows"),
        ({"rows": "1"}, "rows"),
        ({"rows": True}, "rows"),
        ({"source": "hotline"}, "source"),
        ({"source": None}, "source"),
        ({"stream": "events"}, "stream"),
        ({"records": "x"}, "records"),
        ({"records": [1], "rows": 1}, "records"),
        ({"records": [{"a": {}}], "rows": 1}, "records"),
        ({"sums": {"amount": "1"}}, "sums.amount"),
        ({"more": 1}, "more"),
    ],
)
def test_a_delivery_of_another_shape_is_refused_at_the_door(
    served: Served, params: dict[str, Any], field: str
) -> None:
    answer = deliver(served.whole, "wrong", [record(1)], **params)
    assert told(answer)["code"] == "invalid", answer.text
    assert field in {fault["field"] for fault in answer.json["data"]["faults"]}


def test_what_only_the_contract_can_tell_is_refused_on_landing_and_told(partner: Client) -> None:
    home = partner.server.home
    unknown = deliver(partner, "u", [record(1, nothing="x")]).json["data"]["batch_id"]
    half = [record(number, kind_code="x") for number in range(21)]
    many = deliver(partner, "m", half).json["data"]["batch_id"]
    assert {one.status for one in land(home)} == {"refused"}
    told_all = {
        one["batch_id"]: one for one in partner.send("list_deliveries").json["data"]["deliveries"]
    }
    assert told_all[unknown]["code"] == "wrong_header"
    assert told_all[many]["code"] == "reject_limit"
    assert all(one["message"]["zh"] for one in told_all.values())
    assert raw_rows(home) == []


def test_a_test_packet_and_a_test_key_find_every_fault_and_keep_nothing(
    partner: Client,
) -> None:
    home = partner.server.home
    tester = Client(partner.server, add_client(home, "tester", is_test=True))
    wrong = [record(1), record(2, kind_code="x"), record(1), record(3, created_at="31.3.2026")]
    params = {"source": SOURCE, "stream": "cases", "rows": 4, "records": wrong}
    packet = {"id": "t", "operation": "deliver_batch", "params": params, "test": True}
    for answer in (partner.packet(packet), tester.send("deliver_batch", "t", **params)):
        assert told(answer)["code"] == "invalid"
        fields = {fault["field"] for fault in answer.json["data"]["faults"]}
        assert {"records.2.kind_code", "records.4.created_at"} <= fields
    strange = {**packet, "params": {**params, "rows": 1, "records": [record(1, nothing="x")]}}
    (fault,) = partner.packet(strange).json["data"]["faults"]
    assert fault["message"]["zh"].startswith("表头与合同不符（")
    assert fault["message"]["en"].startswith("the records have 1 columns")
    right = tester.send("deliver_batch", "t2", **{**params, "records": [record(1)], "rows": 1})
    assert told(right)["code"] == "tested"
    submitted = tester.send("submit_feedback", "t3", kind="complaint", text="试")
    assert told(submitted)["code"] == "tested" and submitted.json["data"]["case_no"] is None
    refused = tester.send("submit_feedback", "t4", kind="x", text="试")
    assert told(refused)["code"] == "invalid"
    with sqlite3.connect(home / "inbox.db") as inbox:
        for table in ("submission", "event", "packet", "delivered_batch"):
            assert inbox.execute(f"select count(*) from {table}").fetchone() == (0,)
    assert land(home) == []


def test_an_event_by_packet_follows_the_rules_of_the_intake(partner: Client) -> None:
    case_no = partner.send("submit_feedback", "c", kind="complaint", text="断网").json["data"][
        "case_no"
    ]
    done = partner.send("append_event", "e1", case_no=case_no, type="resolve", text="已修复")
    assert told(done)["code"] == "accepted"
    again = partner.send("append_event", "e2", case_no=case_no, type="resolve", text="再次")
    assert told(again)["code"] == "illegal"
    no_text = partner.send("append_event", "e3", case_no=case_no, type="reply")
    assert told(no_text)["code"] == "invalid"
    status = partner.send("query_status", case_no=case_no).json["data"]
    assert [step["event_type"] for step in status["milestones"]] == ["created", "resolved"]


def test_a_store_that_cannot_be_used_is_told_without_its_path(partner: Client) -> None:
    deliver(partner, "d", [record(1)])
    (partner.server.home / "ledger.db").write_bytes(b"no database at all")
    answer = partner.send("list_deliveries")
    assert told(answer)["code"] == "unavailable" and "ledger" not in answer.text
    assert answer.headers["retry-after"]


class Died(BaseException):
    """Stands for the end of the process; nothing catches it."""


@pytest.mark.parametrize("refused", [False, True])
def test_a_landing_that_dies_at_any_step_is_finished_by_the_next(
    partner: Client, tmp_path: Path, refused: bool
) -> None:
    wrong = [record(number, kind_code="x") for number in range(21)] if refused else []
    deliver(partner, "d", [record(99), *wrong])
    partner.server.end(signal.SIGTERM)
    steps = ["refused"] if refused else ["pii", "announced", "parquet", "loaded"]
    for step in steps:
        home = tmp_path / step
        shutil.copytree(partner.server.home, home)
        _die_at(home, step)
        land(home)
        assert len(raw_rows(home)) == (0 if refused else 1)
        with opened(home).ledger() as ledger:
            (batch,) = ledger.batches(source=SOURCE)
            assert batch.status == ("refused" if refused else "loaded")
            assert [one.batch_id for one in ledger.confirmations()] == [batch.batch_id]
    partner.server.start()


def _die_at(home: Path, step: str) -> None:
    def die(at: str) -> None:
        if at == step:
            raise Died

    installation = opened(home)
    with installation.ledger() as ledger, installation.pii_store() as pii, pytest.raises(Died):
        land_source(
            installation.contracts[SOURCE],
            home=home,
            ledger=ledger,
            pii=pii,
            now=datetime.fromisoformat("2026-03-31T09:00:00+08:00"),
            zone="Asia/Shanghai",
            at=die,
        )


@fuzz(
    15,
    most=500,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    values=st.lists(
        st.none()
        | st.text(max_size=12)
        | st.integers()
        | st.booleans()
        | st.floats(allow_nan=False),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_a_record_holds_it_is_loaded_or_quarantined(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any]
) -> None:
    from connectors.contract import SOURCES, load_contract
    from connectors.service_records import Records, agreed_columns, trial_faults

    contract = load_contract(SOURCES / f"{SOURCE}.yml")
    given_records = [record(number, category=value) for number, value in enumerate(values)]
    found = Records.of(given_records, agreed_columns(contract, "cases"))
    assert Records.from_bytes(found.to_bytes()) == found
    faults = trial_faults(found, contract, "cases", {}, zone="Asia/Shanghai")
    assert len(faults) <= len(values)


def test_batches_of_one_drain_are_ordered_by_their_arrival(partner: Client) -> None:
    home = partner.server.home
    deliver(partner, "old", [record(1), record(2), record(7, content="old")])
    deliver(partner, "new", [record(7, content="new")])
    assert len(land(home)) == 2
    files = sorted(str(path) for path in (home / "raw" / SOURCE).rglob("*.parquet"))
    told_last = duckdb.execute(
        f"select text from read_parquet({files}) where case_no = 'P-000007' "
        "order by _recorded_at desc, _record_no desc limit 1"
    ).fetchone()
    assert told_last == ("new",)


def test_the_inbox_gives_up_what_was_settled_long_ago_and_still_knows_its_batches(
    partner: Client,
) -> None:
    home = partner.server.home
    deliver(partner, "landed", [record(1)])
    partner.send("submit_feedback", "said", kind="complaint", text="断网")
    land(home)
    deliver(partner, "waiting", [record(2)])
    later = Installation.open(
        {"HUIYIN_SOURCES": f"intake,{SOURCE}", "HUIYIN_CLOCK": "fixed:2026-09-30T09:00:00+08:00"},
        home=home,
    )
    assert tidy(opened(home), say=lambda _: None).emptied == 0
    for dry_run in (True, False):
        report = tidy(later, say=lambda _: None, dry_run=dry_run)
        assert (report.emptied, report.forgotten) == (1, 1)
    assert len(land(home)) == 1
    assert told(deliver(partner, "landed", [record(1)]))["code"] == "accepted"
    assert land(home) == [] and len(raw_rows(home)) == 2
