"""Queries by packet: limits, permissions of their own, and the snapshot each answer names."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.service.operation import PERMISSIONS
from connectors.service.pins import SnapshotPins
from connectors.service.refusal import PacketRefused
from cubes.snapshot import Snapshot, current_tag, open_snapshot
from tests.connectors.service.conftest import TAG, endless_query, publish_marts
from tests.connectors.service.server import SENT_AT, Client, ServiceServer, add_client
from tests.connectors.service.test_packet import told

SITE = {
    "slow": endless_query("slow", seconds=0.5),
    "slower": endless_query("slower", seconds=4),
    "endless": endless_query("endless", seconds=300),
    "many": """\
query: many
label: {zh: 多, en: Many}
columns: {date_on: {type: date}}
scope: open
limits: {rows: 100}
sql: select a.date_on from marts.dim_date a
""",
    "of_finance": """\
query: of_finance
label: {zh: 财务, en: Of finance}
permission: finance
columns: {n: {type: integer}}
sql: select count(*) as n from marts.fct_sale a
""",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceServer]:
    home = tmp_path_factory.mktemp("queries") / "home"
    publish_marts(home)
    folder = home / "site/cubes/queries"
    folder.mkdir(parents=True)
    for name, text in SITE.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    with ServiceServer(home) as server:
        yield server


@pytest.fixture(scope="module")
def whole(server: ServiceServer) -> Client:
    return Client(server, add_client(server.home, "whole"))


def test_a_query_beyond_its_seconds_is_interrupted_and_others_go_on(whole: Client) -> None:
    with ThreadPoolExecutor(5) as pool:
        slow = [pool.submit(whole.send, "run_named_query", f"s{n}", query="slow") for n in range(5)]
        quick = whole.send("run_named_query", "quick", query="overdue_cases")
        codes = {told(answer.result())["code"] for answer in slow}
    assert codes == {"answer_too_slow"} and told(quick)["code"] == "ok"
    assert slow[0].result().headers["retry-after"]


def test_slow_questions_of_one_client_do_not_hold_up_another(
    server: ServiceServer, whole: Client
) -> None:
    greedy = Client(server, add_client(server.home, "greedy"))
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(greedy.send, "run_named_query", f"g{n}", query="slower") for n in range(4)
        ]
        time.sleep(0.5)
        quick = whole.send("run_named_query", "quick", query="overdue_cases")
        assert told(quick)["code"] == "ok"
        assert not any(one.done() for one in asked)
        assert {told(one.result())["code"] for one in asked} == {"answer_too_slow"}


def test_questions_of_callers_that_left_are_not_computed(
    server: ServiceServer, whole: Client
) -> None:
    hasty = Client(server, add_client(server.home, "hasty"))
    # Two are begun and end by their limit; the others would be computed for minutes after them.
    for number in range(8):
        query = "slower" if number < 2 else "endless"
        packet = {"id": f"h{number}", "operation": "run_named_query", "params": {"query": query},
                  "sent_at": SENT_AT}  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request(
            "POST", "/v1/packets", json.dumps(packet).encode(),
            {"Authorization": f"Bearer {hasty.key}"},
        )  # fmt: skip
        time.sleep(0.1)
        connection.close()
    for _ in range(300):
        if told(hasty.send("run_named_query", query="overdue_cases"))["code"] == "ok":
            break
        time.sleep(0.1)
    else:
        raise AssertionError("questions that nobody waits for are computed")


def test_an_answer_with_too_many_rows_is_refused_whole(whole: Client) -> None:
    answer = whole.send("run_named_query", query="many")
    assert told(answer)["code"] == "answer_too_large" and answer.json["data"] is None


def test_a_query_with_a_permission_of_its_own_is_known_to_its_keys_only(
    server: ServiceServer, whole: Client
) -> None:
    assert told(whole.send("run_named_query", query="of_finance"))["code"] == "not_found"
    key = add_client(server.home, "finance", permissions=(*PERMISSIONS, "finance"))
    finance = Client(server, key)
    assert finance.send("run_named_query", query="of_finance").json["data"]["rows"] == [{"n": 7}]
    listed = finance.send("list_operations").json["data"]["queries"]
    assert "of_finance" in {one["query"] for one in listed}
    # Without a scope column a bounded key may not ask, whatever it is permitted.
    bounded = add_client(server.home, "near", unit="5101", permissions=(*PERMISSIONS, "finance"))
    refused = Client(server, bounded).send("run_named_query", query="of_finance")
    assert told(refused)["code"] == "invalid" and "no scope" in refused.text


def test_what_a_cube_refuses_is_told_in_the_words_of_each_language(whole: Client) -> None:
    cube = whole.send("query_cube", cube="cases", measures=["complants"])
    assert told(cube)["data"]["faults"] == [
        {
            "field": "params",
            "message": {
                "zh": "立方体“cases”没有度量“complants”（是不是“complaints”？）。",
                "en": "Cube 'cases' has no measure 'complants' (did you mean 'complaints'?).",
            },
        }
    ]
    query = whole.send("run_named_query", query="daily_sales", params={"business_date": "30.3."})
    (fault,) = told(query)["data"]["faults"]
    assert fault["message"] == {
        "zh": "命名查询“daily_sales”的参数“business_date”必须是日期，不能是 '30.3.'。",
        "en": "Parameter 'business_date' of query 'daily_sales' must be a date, not '30.3.'.",
    }


def test_the_next_answer_is_from_the_next_snapshot(server: ServiceServer, whole: Client) -> None:
    before = whole.send("run_named_query", query="overdue_cases").json
    assert before["snapshot"] == TAG
    publish_marts(server.home, "20260401-test")
    after = whole.send("run_named_query", query="overdue_cases").json
    assert after["snapshot"] == "20260401-test" and after["data"] == before["data"]


def test_a_pinned_snapshot_stays_open_under_its_reader_and_closes_after(tmp_path: Path) -> None:
    published = tmp_path / "published"
    opened: list[Snapshot] = []

    def tag() -> str | None:
        return current_tag(published) if published.exists() else None

    def open_one() -> Snapshot:
        opened.append(open_snapshot(published))
        return opened[-1]

    pins = SnapshotPins(tag, open_one)
    with pytest.raises(PacketRefused), pins.pinned():
        pass
    publish_marts(tmp_path, "one")
    is_read, may_end = threading.Event(), threading.Event()

    def read() -> int:
        with pins.pinned() as snapshot, snapshot.cursor() as cursor:
            is_read.set()
            may_end.wait()
            (count,) = cursor.execute("select count(*) from marts.fct_case").fetchone() or (0,)
            assert snapshot.tag == "one"
            return int(count)

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        is_read.wait()
        publish_marts(tmp_path, "two")
        with pins.pinned() as snapshot:
            assert snapshot.tag == "two"
        may_end.set()
        assert reader.result() == 6
    with pytest.raises(Exception, match="closed"):
        opened[0].cursor()
    pins.close()
    assert len(opened) == 2


def test_a_cube_asked_as_it_was_tells_what_has_a_history(whole: Client) -> None:
    asked = {"cube": "cases", "measures": ["cases"], "by": ["org.l2", "channel"]}
    answer = whole.send("query_cube", **asked, as_was=True).json["data"]
    assert answer["as_was"] == {"time": "created", "as_was": ["org"], "as_is": ["channel"]}
    today = whole.send("query_cube", **asked).json["data"]
    assert "as_was" not in today and answer["rows"] == today["rows"]
    wrong = whole.send("query_cube", **asked, as_was="yes").json
    assert wrong["data"]["faults"][0]["field"] == "as_was"
